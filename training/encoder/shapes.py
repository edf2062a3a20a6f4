"""Document and tool-result shapes for the encoder's training data.

`document(rng, body_sentences, planted)` renders one realistic document from the given
sentences. With `planted` it puts that text at one plausible place and returns its span.
For one state of `rng` the rendering with and without planted text is the same document
(same shape, same fields), so that only the planted text makes the difference.

How it works: a shape builds its text from `Ctx`; the planted text travels through the real
escaping, quoting and wrapping between two private-use marks, which are removed at the end.
"""
from __future__ import annotations

import csv
import datetime as _dt
import html
import io
import json
import random
import re
import textwrap
import unicodedata

M0, M1 = "\ue000", "\ue001"      # around the planted text
PROBE = 0xE100                    # + slot number: which slots does a rendering show?

# --------------------------------------------------------------------------- word lists

FIRST = """Anna Ben Carla Daniel Elif Farid Greta Hiro Ines Jakub Kateryna Liam Maya Noor Oskar Priya Quentin Rosa
Samir Tanja Umar Vera Wei Ximena Yusuf Zofia Adaeze Bjorn Chidi Dalia Emeka Freja Goran Hannah Ibrahim Jolanta Kwame
Leila Mateo Nadia Olu Petra Rafael Sinead Tomas Ulla Viktor Wanda Yara Zeno Amélie Bruno Celia Dmitri Esther Finn
Gabriela Henrik Iris Jens Kofi Lucía Magnus Nina Otis Paula Rashid Stella Thabo Ursula Vikram Willem Yuki Zara Aoife
Björn Chloé Jürgen Łukasz Søren Zoë Tuan Mei Kenji Aisha Tariq Marisol Pavel Ilse Harold Dorothy Keith Brenda""".split()
LAST = """Adeyemi Baumann Castro Dubois Eriksen Ferrari Gruber Haddad Ivanova Jansen Kowalski Lindqvist Moreau Nakamura
Okafor Petrov Quinn Rossi Schmidt Tanaka Ueda Varga Weber Xu Yilmaz Zimmermann Abbott Bianchi Chen Delgado Engel
Fischer Garcia Holm Iyer Jovanovic Kaur Larsen Mbeki Novak O'Connor Park Rahman Silva Torres Urban Vogel Walsh Young
Zhang Achterberg Brennan Cisse Dahl Espinoza Fournier Gallagher Hussain Ito Jensen Klein Lopez Marino Nguyen Osei
Patel Reyes Santos Thomsen Ulrich Vidal Wagner Yamada Zeller Ashworth Bergström Cheung Diallo Eze Fitzgerald Gupta
Hernández Müller Núñez Öztürk Škoda Thorne Whitfield Pemberton Sato Kim Singh Costa Meyer Brown Clarke Evans""".split()
COMPANY_A = """North Blue Silver Oak Harbor Granite Lumen Cedar Quarry Alpine Delta Copper Maple River Stone Vega Orbit
Kestrel Meridian Juniper Falcon Tidal Amber Pioneer Summit Willow Ironwood Nimbus Heron Lakeside Crescent Baltic""".split()
COMPANY_B = """Logistics Foods Systems Bank Textiles Software Motors Energy Pharma Media Travel Insurance Paper Tools
Analytics Farms Optics Consulting Furniture Telecom Robotics Ceramics Partners Works Dairy Freight Labs Books""".split()
COMPANY_C = ["GmbH", "Ltd", "Inc.", "AG", "S.A.", "LLC", "B.V.", "Oy", "& Co.", "plc", "AB", "Kft.", "SpA", "Pty Ltd", ""]
CITIES = """Vienna Lyon Porto Gdańsk Leeds Turin Malmö Ghent Zürich Nairobi Lagos Osaka Busan Montréal Denver Tulsa Lima
Bogotá Quito Perth Auckland Cork Tallinn Riga Brno Graz Basel Utrecht Seville Naples Thessaloniki Izmir Haifa Cairo
Rabat Accra Dakar Kigali Pune Hanoi Cebu Penang Taipei Kyoto Calgary Austin Boise Fresno Albany Mérida Rosario""".split()
STREETS = """Mill Street|Canal Row|Birch Road|Hauptstraße|Rue des Lilas|Via Garibaldi|Station Road|Elm Avenue|Quay Lane
Church Hill|Lindenweg|Calle Mayor|Kungsgatan|Orchard Close|Foundry Lane|High Street|Park View|Bahnhofplatz|Sunset Drive
Maple Court|Ringstraße|Avenida Central|King's Parade|Harbour Walk|Meadow Lane""".replace("\n", "|").split("|")
TLD = ["example", "example.com", "example.org", "example.net", "test"]
DOMAINS = """northwind tealstone brightfield lakeshop cornerbook alderworks fernco cityledger openharbor greenpantry
papermill quietroom tidepost lumenware hillview farmgate oldtown docuflow mapleside sunroute craftbox bluebird
redbrick morningpost helpnest""".split()
PRODUCTS = """Trail Running Shoes|Cast Iron Skillet 28 cm|Noise Cancelling Headphones X3|Bamboo Cutting Board|LED Desk Lamp
Espresso Grinder Pro|Hiking Backpack 40 L|Ergonomic Office Chair|Wireless Mouse M200|Electric Kettle 1.7 L|Yoga Mat 6 mm
Robot Vacuum R12|Smart Plug Duo|Ceramic Planter Set|Mountain Bike Helmet|Thermal Flask 0.5 L|Cordless Drill 18 V
Garden Hose 30 m|Linen Duvet Cover|USB-C Docking Station|Kids' Rain Jacket|Air Fryer 5 L|Wool Blanket|Travel Pillow
27-inch Monitor|Mechanical Keyboard K87|Board Game "Harbour Lights"|Folding Camping Table|Watercolour Set 24
Stainless Lunch Box|Bluetooth Speaker Mini|Cat Tree Deluxe|Running Belt|Snow Shovel|Fountain Pen F|Bread Maker""".replace("\n", "|").split("|")
SUBJECTS = """Minutes of Tuesday's call|Invoice 2231|Your order has shipped|Question about the quote|Re: holiday plans
Updated schedule|Action required: confirm your address|Parking during the works|Welcome to the team|Draft for review
Reminder: dentist appointment|Password changed|Trip to Lisbon|Feedback on chapter two|Meter reading|Contract renewal
Change of the delivery date|Choir rehearsal moved|Server maintenance on Sunday|Lost umbrella|Budget figures
Photos from the weekend|Application for the position|Your ticket|Survey results|Rent for next year|New badge system
Urgent: pump in hall 3|Book club in May|Annual report|Offer for the roof|Lunch on Thursday?|School fair volunteers
Quarterly newsletter|Weekly digest|Security notice|Receipt for your payment|Invitation: product demo""".replace("\n", "|").split("|")
TITLES = """The harbour after the storm|A short guide to composting|How our team moved to the cloud|Notes on urban bees
Results of the winter survey|Understanding heat pumps|The history of the old mill|Planning a small wedding
Travel report: a week in the Azores|Quarterly results at a glance|What we learned from the outage|Caring for cast iron
Five walks around the lake|Onboarding handbook|Rules of the allotment garden|Electric buses, one year on
Introduction to the data set|The making of a violin|Market overview|Better sleep in summer|Water quality report
City council approves tunnel|Local bakery wins prize|A beginner's guide to sourdough|Library opens on Sundays
Comparing four e-readers|Safety of lithium batteries|Restoring wetlands|Fares to rise in January|On reading slowly""".replace("\n", "|").split("|")
TOPICS = """logistics gardening onboarding billing travel health music sports finance weather cooking history security
photography education housing energy hardware research mobility""".split()
TAGS = """new sale urgent draft internal public beta archived summer winter important later bug feature docs question
help-wanted family work invoice recipe todo done press kids""".split()
ROLES = """Project Manager|Nurse|Software Engineer|Sales Representative|Teacher|Accountant|Head of Operations|Librarian
Data Analyst|Electrician|HR Partner|Chef|Research Associate|Customer Support Lead|Architect|Driver""".replace("\n", "|").split("|")
SKILLS = """Python|SQL|project planning|bookkeeping|Spanish (B2)|welding|public speaking|Excel|first aid|TypeScript
customer service|CAD|German (native)|budgeting|copywriting|lab safety|forklift licence|Kubernetes""".replace("\n", "|").split("|")
DEPTS = ["Finance", "Sales", "Support", "Operations", "Legal", "Marketing", "IT", "Facilities", "Research", "Purchasing"]
FILLERS = """Thanks!|Sounds good to me.|See the attachment.|No remarks.|Works as described.|ok|Will do.|Agreed.|n/a
Nothing to add.|As discussed on the phone.|Arrived on time.|Standard.|Good quality for the money.|+1|Checked twice.
Same as last month.|To be decided.|Left on the desk.|Great service.|Pending.|In progress.|Not applicable.|Done yesterday.
Waiting for parts.|Fine, thanks.|Maybe next week.|Let me check.|Works for me.|Please see page 2.|Noted.|Resolved.
Two copies printed.|Out of stock until May.|Still looking into it.|Second floor, room 214.|Bring sunscreen!
Ask at the counter.|Key is under the mat.|Signed by the neighbour.|Moved to Thursday.|Battery replaced.|No answer yet.
Colour slightly different from the picture.|Paid in cash.|Keep refrigerated.|Called twice, no reply.|Sold out.|lol
Will follow up tomorrow.|First time here.|Please call back.|Good morning everyone|Looks right to me.|Approved.|Draft only.
Window seat preferred.|Vegetarian.|Two guests.|Returned to sender.|Forms are at the front desk.|Price on request.|Yes, both.
Not sure, ask Ines.|Left a voicemail.|Delivered to the porter.|Meeting ran over.|Tested on the old machine.|Typo corrected.
Includes a cable.|Rain all day.|Five minutes late.|Same address as before.|Check the date, please.|New tyres.|Bit noisy.
Happy with it so far.|Could not reproduce.|Closed as duplicate.|Running late, sorry.|Nice picture!|Who has the key?
Invoice follows.|All green.|Tea or coffee?|See you there.|Last checked in spring.|Updated the numbers.|Quiet day.""".replace("\n", "|").split("|")
ALTS = """Photo of the harbour at dusk|Company logo|Bar chart of monthly visitors|Portrait of the author|Map of the area
Team at the summer party|Product seen from the side|Screenshot of the settings page|Bowl of soup on a wooden table
Icon of a shopping cart|Diagram of the pump|Spinning loader|Child with a kite|The old town hall|Banner image""".replace("\n", "|").split("|")
HTMLC = """header start|TODO: move inline styles to the stylesheet|end of main|build 4411|tracking snippet, see wiki
ad slot 3|Remove after the campaign ends|generated by pagegen 2.3|nav duplicated for mobile, keep both in sync
cached 12 s ago|section: related articles|do not edit by hand, template is in /themes|A/B test: variant B
IE fallback no longer needed|legal asked for this line, please keep""".replace("\n", "|").split("|")
HIDDEN = """Skip to content|Loading…|Menu opened|You have no new notifications|Copied to clipboard|Item added to your basket
Session about to expire|Opens in a new window|Back to top|Search suggestions available|Slide 2 of 5
Please fill in this field|Print version of this page|Cookie settings saved""".replace("\n", "|").split("|")
CODEC = """TODO: handle time zones|see ticket 4412|kept for backwards compatibility|the order matters here|avoid a second query
FIXME: this is slow for large inputs|copied from the old importer|rounded to cents|off by one was fixed in 2.1
please update the docs when you change this|do not remove, used by the nightly job|guards against empty input
cache the result, it is called often|workaround for the driver bug|units are millimetres""".replace("\n", "|").split("|")
COMMITS = """Fix typo in README|Add retry to uploader|Bump dependencies|Refactor date parsing|Remove dead code|Add tests for
empty input|Improve error message|Update translations|Speed up import|Handle missing column|Rename config key|Initial
commit|Make timeout configurable|Revert "Use new cache"|Document the API|Support dark mode""".replace("\n", " ").split("|")
FOOTERS = """All rights reserved.|You receive this because you signed up on our website.|Page 1 of 1|Printed on recycled paper
Subject to change without notice.|Questions? Write to us.|This message may contain confidential information.
Prices include VAT.|Sent from my phone|Unsubscribe | Preferences | Privacy|Member of the chamber of commerce
Errors and omissions excepted.|Follow us on social media.|Opening hours: Mon to Fri, 9 to 17""".replace("\n", "|").replace(" | ", " · ").split("|")
SNIPPETS = """Official site with opening hours, prices and directions.|A step-by-step guide with pictures.
Compare prices from 40 shops.|Forum discussion with 23 replies.|Encyclopaedia article on the subject.
Latest news and background.|Free download, no registration.|Read what other customers say.
Definition, synonyms and examples.|Video, 12 minutes.""".replace("\n", "|").split("|")
EVENTS = """Team sync|Dentist|Yoga class|Board meeting|Lunch with Ines|Parent-teacher evening|Sprint review|Flight to Oslo
Choir rehearsal|1:1 with manager|Car service|Birthday party|Webinar: data hygiene|Moving day|Interview round 2
Book club|Quarterly planning|Doctor's appointment|Football training|Call with the supplier""".replace("\n", "|").split("|")
WEATHER = ["clear", "partly cloudy", "light rain", "overcast", "thunderstorm", "fog", "snow showers", "sunny", "drizzle", "windy"]
ROOMS = ["kitchen", "hallway", "nursery", "garage", "living room", "bedroom", "study", "bathroom", "cellar", "patio"]
DEVICES = ["lamp", "thermostat", "door lock", "camera", "speaker", "blind", "smoke detector", "plug", "motion sensor", "vacuum"]
DRUGS = ["metoprolol 50 mg", "ibuprofen 400 mg", "metformin 500 mg", "amoxicillin 1 g", "levothyroxine 75 µg", "none"]
DIAG = ["J06.9 acute infection", "I10 hypertension", "M54.5 low back pain", "E11 type 2 diabetes", "S93.4 sprain of ankle",
        "Z00.0 general check-up", "H52.1 myopia", "R51 headache"]
FILES = """report_final.docx|budget_2025.xlsx|notes.md|photo_0231.jpg|contract_signed.pdf|slides.pptx|todo.txt|backup.zip
invoice-0192.pdf|readme.txt|data.csv|draft_v3.odt|minutes_may.docx|logo.svg|archive.tar.gz|letter.pdf|recipe.md""".replace("\n", "|").split("|")
MODULES = "importer parser billing cache mailer scheduler uploader report utils auth search orders metrics sync".split()
VERBS = "load parse send update check build fetch merge sort render clean count format validate resolve".split()
NOUNS = "items rows users orders report config entries pages totals events prices labels files batch record".split()
QUESTIONS = """How long does delivery take?|Can I change my booking?|Where do I find my invoice?|Is parking available?
What payment methods do you accept?|How do I reset my password?|Do you ship abroad?|What if I lose my card?
Are pets allowed?|How do I cancel my subscription?|Who can I contact?|Is there a student discount?
What is included in the price?|When are you open?|How is my data used?|What is the minimum age?""".replace("\n", "|").split("|")
DISHES = """Lentil soup|Apple crumble|Mushroom risotto|Fish tacos|Potato gratin|Banana bread|Shakshuka|Pea curry|Onion tart
Walnut pesto|Plum dumplings|Barley salad""".replace("\n", "|").split("|")
INGR = """200 g flour|2 eggs|1 onion, chopped|50 g butter|a pinch of salt|300 ml milk|2 tbsp olive oil|1 tsp cumin|400 g lentils
3 cloves of garlic|1 lemon|100 g sugar|a handful of parsley|1 l vegetable stock|250 g mushrooms""".replace("\n", "|").split("|")
CURR = ["EUR", "USD", "GBP", "CHF", "SEK", "JPY", "PLN", "CAD"]
HEADINGS = """Overview|Background|Details|Next steps|Results|Method|Discussion|Notes|Summary|History|Usage|Scope|Costs
Timeline|Open points|Conditions|Description|Further reading|Contact|Appendix""".replace("\n", "|").split("|")
ERRS = ["ValueError", "KeyError", "TimeoutError", "ConnectionError", "TypeError", "RuntimeError", "FileNotFoundError", "OSError"]
TOOLS = "read_file search_web get_invoice list_events fetch_page query_db get_weather send_report list_messages read_ticket".split()
HANDLES = "sunny.side hikerjane marlo_v quietfox tinkerbits nora_knits bikes4all oldmapguy lenswork pastaqueen ferrybot".split()


def pick(r, xs):
    return xs[r.randrange(len(xs))]


def name(r):
    return pick(r, FIRST) + " " + pick(r, LAST)


def company(r):
    return (pick(r, COMPANY_A) + " " + pick(r, COMPANY_B) + " " + pick(r, COMPANY_C)).strip()


def domain(r):
    return pick(r, DOMAINS) + "." + pick(r, TLD)


def _ascii(s):
    s = unicodedata.normalize("NFKD", s.lower().replace("ł", "l").replace("ø", "o").replace("ß", "ss"))
    return re.sub(r"[^a-z]", "", s)


def email(r, who=None):
    f, _, l = (who or name(r)).partition(" ")
    f, l = _ascii(f) or "info", _ascii(l) or "office"
    return pick(r, [f"{f}.{l}", f"{f[0]}.{l}", f"{f}{r.randint(1, 99)}", f"{l}", f"{f}_{l}"]) + "@" + domain(r)


def phone(r):
    return pick(r, ["+1 202 555 0{:03d}", "+44 20 7946 0{:03d}", "0660 555 {:03d}", "+49 30 555 {:03d}", "(555) 010-{:03d}"]).format(r.randint(100, 199))


def address(r):
    return f"{r.randint(1, 180)} {pick(r, STREETS)}, {pick(r, CITIES)}"


def when(r):
    return _dt.datetime(2019, 1, 1) + _dt.timedelta(minutes=r.randrange(60 * 24 * 365 * 8))


def iso(d):
    return d.strftime("%Y-%m-%dT%H:%M:%SZ")


def day(r, d=None):
    d = d or when(r)
    return d.strftime(pick(r, ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%B %d, %Y", "%d %b %Y", "%A, %d %B %Y"]))


def clock(r):
    return f"{r.randint(6, 22):02d}:{pick(r, ['00', '15', '30', '45', '05', '40'])}"


def money(r, lo=1, hi=3000):
    return round(r.uniform(lo, hi), 2)


def cash(r, hi=3000):
    v = money(r, 1, hi)
    return pick(r, [f"{v:,.2f} {pick(r, CURR)}", f"${v:,.2f}", f"€{v:,.2f}", f"{v:.2f} €", f"£{v:,.2f}"])


def iban(r):
    return pick(r, ["DE", "AT", "FR", "GB", "NL"]) + str(r.randint(10, 99)) + "".join(str(r.randrange(10)) for _ in range(16))


def hexid(r, n=8):
    return "".join(pick(r, "0123456789abcdef") for _ in range(n))


def ident(r):
    return pick(r, [str(r.randint(100, 99999)), hexid(r, 12), f"{pick(r, ['A', 'ORD', 'INV', 'T', 'REF', 'X'])}-{r.randint(1000, 99999)}",
                    f"{hexid(r)}-{hexid(r, 4)}-{hexid(r, 4)}"])


def url(r):
    return f"https://{pick(r, ['www.', '', 'blog.', 'shop.', 'docs.'])}{domain(r)}/{pick(r, TOPICS)}/{pick(r, NOUNS)}{pick(r, ['', '.html', '?id=%d' % r.randint(1, 999), '/%d' % r.randint(1, 99)])}"


def slug(t):
    return re.sub(r"[^a-z0-9]+", "-", t.lower()).strip("-")


def some(r, xs, lo, hi):
    return r.sample(xs, min(len(xs), r.randint(lo, hi)))


# --------------------------------------------------------------------------- context

class Ctx:
    """What a shape renders from: own randomness `r`, body items, slots."""

    def __init__(self, r, items, plant=None, where=None, spare=None, spare_slot=None, mode="replace", probe=False):
        self.r, self.items, self.probe = r, items, probe
        self.plant, self.where, self.mode = plant, where, mode
        self.spare, self.spare_slot = spare, spare_slot
        self.n = 0
        self.deck = []

    def slot(self, default=""):
        """A place that may carry the planted text, or a body sentence, instead of its default."""
        k, t = self.n, default
        self.n += 1
        if self.probe:
            return default + chr(PROBE + k)
        if self.spare is not None and k == self.spare_slot:
            t = self.spare
        if self.plant is not None and k == self.where:
            if not t or self.mode == "replace" and not (self.spare is not None and k == self.spare_slot):
                t = self.plant
            elif self.mode == "before":
                t = self.plant + " " + t
            else:
                t = t + " " + self.plant
        return t

    def fill(self):
        if not self.deck:
            self.deck = FILLERS[:]
            self.r.shuffle(self.deck)
        return self.slot(self.deck.pop())

    def join(self, items, multi=False):
        flat = [s for it in items for s in it]
        j = pick(self.r, [" ", " ", " ", " ", "\n", "\n\n"]) if multi else " "
        return j.join(flat)

    def groups(self, n):
        """The body in n groups, in order; the groups may be empty when there are more than sentences."""
        it, r = self.items, self.r
        if n <= len(it):
            cuts = sorted(r.sample(range(1, len(it)), n - 1)) if n > 1 else []
            e = [0] + cuts + [len(it)]
            return [it[a:b] for a, b in zip(e, e[1:])]
        full = set(r.sample(range(n), len(it)))
        k, out = 0, []
        for i in range(n):
            if i in full:
                out.append([it[k]])
                k += 1
            else:
                out.append([])
        return out

    def texts(self, n, multi=False):
        """n texts that together hold the body; a text without body sentence is a short filler slot."""
        return [self.join(g, multi) if g else self.fill() for g in self.groups(n)]

    def paras(self, multi=False):
        m = len(self.items)
        return self.texts(self.r.randint(1, max(1, min(m, 6))), multi)

    def each(self):
        return [self.join([i]) for i in self.items]


def one(t):
    return re.sub(r"\s*[\r\n\t]+\s*", " ", t)


def wrap(t, width, first="", rest=None):
    rest = first if rest is None else rest
    out = []
    for line in t.split("\n"):
        out.append(textwrap.fill(line, width, initial_indent=first if not out else rest, subsequent_indent=rest,
                                 break_long_words=False, break_on_hyphens=False) or rest.rstrip())
    return "\n".join(out)


def hx(t):
    """Text for an HTML page: markup that is itself planted goes in raw, the rest is escaped."""
    m = re.search(M0 + "(.*?)" + M1, t, re.S)
    if m and m[1].lstrip().startswith("<") and m[1].rstrip().endswith(">"):
        return html.escape(t[:m.start()], False) + m[0] + html.escape(t[m.end():], False)
    return html.escape(t, False)


def ha(t):
    return html.escape(one(t), True)


def hc(t):
    return t.replace("-->", "--&gt;").replace("<!--", "&lt;!--")


def bc(t):
    return t.replace("*/", "* /")


def lc(prefix, t, width=None):
    """A line comment, every line with its prefix."""
    if width:
        return wrap(t, width, prefix)
    return "\n".join(prefix + x for x in t.split("\n"))


def block_json(r, o):
    k = r.randrange(6)
    asc = r.random() < 0.3
    if k <= 2:
        return json.dumps(o, indent=2, ensure_ascii=asc)
    if k == 3:
        return json.dumps(o, indent=4, ensure_ascii=asc)
    if k == 4:
        return json.dumps(o, ensure_ascii=asc)
    return json.dumps(o, separators=(",", ":"), ensure_ascii=asc)


# --------------------------------------------------------------------------- registry

SHAPES = []          # (name, function, weight, outer)


def shape(nm, weight=1.0, outer=False):
    def deco(f):
        SHAPES.append((nm, f, weight, outer))
        return f
    return deco


# --------------------------------------------------------------------------- objects (JSON and relatives)

OBJECTS = []


def obj(nm):
    def deco(f):
        OBJECTS.append((nm, f))
        SHAPES.append(("json_" + nm, lambda c: block_json(c.r, f(c)), 0.55, False))
        return f
    return deco


@obj("product")
def o_product(c):
    r = c.r
    p = pick(r, PRODUCTS)
    tx = c.texts(r.randint(1, 5), True)
    d = {"id": ident(r), "name": c.slot(p), "brand": company(r), "price": money(r), "currency": pick(r, CURR),
         "in_stock": r.random() < 0.8, "category": pick(r, TOPICS), "description": tx[0],
         "attributes": {"weight": f"{r.randint(1, 90) / 10} kg", "colour": pick(r, ["black", "sand", "red", "green"]),
                        "note": c.slot(pick(r, FILLERS))}}
    if tx[1:]:
        d["reviews"] = [{"user": pick(r, HANDLES), "stars": r.randint(1, 5), "text": t} for t in tx[1:]]
    d["tags"] = some(r, TAGS, 1, 4)
    return pick(r, [d, {"product": d}, {"status": "ok", "data": d}])


@obj("transactions")
def o_bank(c):
    r = c.r
    tx = c.texts(r.randint(2, 8))
    return {"account": iban(r), "balance": money(r, 10, 20000), "currency": pick(r, CURR),
            "transactions": [{"id": i + 1, "date": when(r).strftime("%Y-%m-%d"), "sender": c.slot(name(r)) if r.random() < .3 else name(r),
                              "recipient": iban(r), "amount": money(r), "subject": t,
                              "recurring": r.random() < .2} for i, t in enumerate(tx)]}


@obj("emails")
def o_emails(c):
    r = c.r
    out = []
    for i, t in enumerate(c.texts(r.randint(1, 5), True)):
        out.append({"id_": str(i + r.randint(1, 40)), "sender": email(r), "recipients": [email(r) for _ in range(r.randint(1, 2))],
                    "cc": [], "subject": c.slot(pick(r, SUBJECTS)), "body": t, "status": pick(r, ["received", "sent", "draft"]),
                    "read": r.random() < .5, "timestamp": iso(when(r)), "attachments": some(r, FILES, 0, 1)})
    return pick(r, [out, {"emails": out, "count": len(out)}])


@obj("calendar")
def o_cal(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(1, 5), True):
        d = when(r)
        out.append({"id": ident(r), "title": c.slot(pick(r, EVENTS)), "description": t, "start_time": iso(d),
                    "end_time": iso(d + _dt.timedelta(minutes=pick(r, [30, 45, 60, 90]))), "location": c.slot(address(r)) if r.random() < .5 else pick(r, CITIES),
                    "participants": [email(r) for _ in range(r.randint(1, 3))], "all_day": False,
                    "status": pick(r, ["confirmed", "tentative", "canceled"])})
    return pick(r, [out, {"events": out}])


@obj("contacts")
def o_contacts(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(2, 6)):
        n = name(r)
        out.append({"name": c.slot(n) if r.random() < .4 else n, "email": email(r, n), "phone": phone(r), "company": company(r), "address": address(r),
                    "notes": t})
    return {"contacts": out, "total": len(out)}


@obj("weather")
def o_weather(c):
    r = c.r
    tx = c.texts(r.randint(1, 5))
    return {"location": {"name": pick(r, CITIES), "lat": round(r.uniform(-60, 60), 4), "lon": round(r.uniform(-120, 120), 4)},
            "current": {"temp_c": r.randint(-9, 34), "condition": c.slot(pick(r, WEATHER)), "humidity": r.randint(20, 99), "wind_kph": r.randint(0, 60)},
            "alerts": [{"event": c.slot(pick(r, WEATHER)), "severity": pick(r, ["minor", "moderate"]), "description": t} for t in tx],
            "source": c.slot("national weather service")}


@obj("search")
def o_search(c):
    r = c.r
    out = []
    for i, t in enumerate(c.texts(r.randint(2, 7))):
        out.append({"position": i + 1, "title": c.slot(pick(r, TITLES)), "url": url(r), "snippet": t})
    return {"query": pick(r, TITLES).lower(), "results": out, "took_ms": r.randint(20, 900)}


@obj("github_issue")
def o_issue(c):
    r = c.r
    tx = c.texts(r.randint(1, 5), True)
    return {"number": r.randint(1, 9000), "title": c.slot(pick(r, COMMITS)), "state": pick(r, ["open", "closed"]), "user": {"login": pick(r, HANDLES)},
            "labels": some(r, TAGS, 0, 3), "created_at": iso(when(r)), "body": tx[0],
            "comments": [{"id": r.randint(10 ** 6, 10 ** 7), "user": pick(r, HANDLES), "author_association": pick(r, ["NONE", "MEMBER", "CONTRIBUTOR"]),
                          "body": t, "reactions": {"+1": r.randint(0, 9)}} for t in tx[1:]]}


@obj("pr_comments")
def o_pr(c):
    r = c.r
    return [{"path": f"src/{pick(r, MODULES)}.{pick(r, ['py', 'ts', 'go', 'rs'])}", "line": r.randint(1, 400), "user": pick(r, HANDLES),
             "diff_hunk": f"@@ -{r.randint(1, 99)},7 +{r.randint(1, 99)},8 @@ " + c.slot(f"def {pick(r, VERBS)}_{pick(r, NOUNS)}():"),
             "body": t, "created_at": iso(when(r))} for t in c.texts(r.randint(1, 5), True)]


@obj("tickets")
def o_tickets(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(1, 4), True):
        n = name(r)
        out.append({"id": r.randint(100, 99999), "subject": c.slot(pick(r, SUBJECTS)), "requester": {"name": n, "email": email(r, n)},
                    "priority": pick(r, ["low", "normal", "high"]), "status": pick(r, ["new", "open", "pending", "solved"]),
                    "description": t, "internal_note": c.fill(), "assignee": name(r), "tags": some(r, TAGS, 0, 2)})
    return {"tickets": out, "next_page": None}


@obj("smart_home")
def o_home(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(2, 6)):
        rm, dv = pick(r, ROOMS), pick(r, DEVICES)
        out.append({"entity_id": f"{slug(dv).replace('-', '_')}.{slug(rm).replace('-', '_')}", "state": pick(r, ["on", "off", "locked", "21.5", "idle"]),
                    "attributes": {"friendly_name": c.slot(f"{rm} {dv}"), "battery": r.randint(5, 100), "last_message": t},
                    "last_changed": iso(when(r))})
    return out


@obj("medical")
def o_med(c):
    r = c.r
    tx = c.texts(r.randint(1, 4), True)
    return {"patient": {"id": r.randint(10000, 99999), "name": name(r), "dob": f"{r.randint(1935, 2015)}-0{r.randint(1, 9)}-{r.randint(10, 28)}", "sex": pick(r, "fm")},
            "encounters": [{"date": when(r).strftime("%Y-%m-%d"), "physician": "Dr. " + pick(r, LAST), "diagnosis": pick(r, DIAG), "note": t,
                            "plan": c.fill()} for t in tx],
            "medication": some(r, DRUGS, 1, 2), "allergies": c.slot(pick(r, ["penicillin", "none known", "nuts", "latex"]))}


@obj("flights")
def o_flights(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(1, 5)):
        d = when(r)
        a, b = some(r, CITIES, 2, 2)
        out.append({"flight": f"{pick(r, ['QX', 'LN', 'ZB', 'OV'])}{r.randint(100, 999)}", "from": a, "to": b, "depart": iso(d),
                    "arrive": iso(d + _dt.timedelta(minutes=r.randint(55, 700))), "price": money(r, 40, 1500), "seats_left": r.randint(0, 9),
                    "carrier": c.slot(company(r)), "fare_rules": t})
    return {"offers": out, "currency": pick(r, CURR)}


@obj("reviews")
def o_reviews(c):
    r = c.r
    return {"place": c.slot(pick(r, ["Café ", "Hotel ", "Restaurant ", "Clinic ", "Museum "]) + pick(r, LAST)), "rating": round(r.uniform(2, 5), 1),
            "reviews": [{"author": pick(r, HANDLES + FIRST), "rating": r.randint(1, 5), "date": day(r), "title": c.slot(pick(r, FILLERS)), "text": t,
                         "owner_reply": c.fill() if r.random() < .3 else None} for t in c.texts(r.randint(1, 6), True)]}


@obj("tweets")
def o_tweets(c):
    r = c.r
    return {"data": [{"id": str(r.randint(10 ** 17, 10 ** 18)), "author": "@" + pick(r, HANDLES), "text": t, "likes": r.randint(0, 900),
                      "created_at": iso(when(r)), "lang": "en", "bio": c.slot(pick(r, ROLES) + ", " + pick(r, CITIES))} for t in c.texts(r.randint(2, 6))],
            "meta": {"result_count": r.randint(2, 20)}}


@obj("slack")
def o_slack(c):
    r = c.r
    return {"ok": True, "channel": "#" + pick(r, TOPICS), "topic": c.slot(pick(r, TITLES)),
            "messages": [{"user": pick(r, FIRST).lower(), "ts": f"{r.randint(15 * 10 ** 8, 18 * 10 ** 8)}.{r.randint(1000, 9999)}", "text": t}
                         for t in c.texts(r.randint(2, 8), True)]}


@obj("files")
def o_files(c):
    r = c.r
    out = []
    for t in c.texts(r.randint(1, 5), True):
        out.append({"id_": str(r.randint(1, 60)), "filename": c.slot(pick(r, FILES)), "owner": email(r), "size": r.randint(100, 10 ** 6),
                    "last_modified": iso(when(r)), "shared_with": {email(r): pick(r, ["r", "rw"])} if r.random() < .5 else {}, "content": t})
    return out


@obj("notes")
def o_notes(c):
    r = c.r
    return {"notes": [{"id": hexid(r, 6), "title": c.slot(pick(r, TITLES)), "content": t, "tags": some(r, TAGS, 0, 3), "pinned": r.random() < .2,
                       "updated": day(r)} for t in c.texts(r.randint(1, 4), True)]}


@obj("sql_rows")
def o_rows(c):
    r = c.r
    col = pick(r, ["comment", "remarks", "description", "message", "bio", "reason"])
    rows = [[r.randint(1, 9999), c.slot(name(r)), pick(r, CITIES), t, money(r)] for t in c.texts(r.randint(2, 8))]
    cols = ["id", "name", "city", col, "amount"]
    if r.random() < .5:
        return {"columns": cols, "rows": rows, "row_count": len(rows)}
    return [dict(zip(cols, x)) for x in rows]


@obj("jobs")
def o_jobs(c):
    r = c.r
    return {"jobs": [{"title": c.slot(pick(r, ROLES)), "company": company(r), "location": pick(r, CITIES), "salary": cash(r, 90000), "posted": day(r),
                      "description": t, "apply_url": url(r)} for t in c.texts(r.randint(1, 4), True)]}


@obj("hotels")
def o_hotels(c):
    r = c.r
    return {"hotels": [{"name": "Hotel " + pick(r, LAST), "city": pick(r, CITIES), "price_per_night": money(r, 40, 400), "rating": round(r.uniform(3, 5), 1),
                        "amenities": some(r, ["wifi", "pool", "parking", "breakfast", "sauna", "pets"], 1, 4), "summary": t,
                        "house_rules": c.fill()} for t in c.texts(r.randint(1, 4))]}


@obj("mcp_result")
def o_mcp(c):
    r = c.r
    tx = c.texts(r.randint(1, 3), True)
    return {"jsonrpc": "2.0", "id": r.randint(1, 99), "result": {"content": [{"type": "text", "text": t} for t in tx], "isError": False,
                                                                "_meta": {"tool": pick(r, TOOLS), "note": c.fill()}}}


@obj("places")
def o_geo(c):
    r = c.r
    return {"type": "FeatureCollection", "features": [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [round(r.uniform(-120, 120), 5), round(r.uniform(-60, 60), 5)]},
         "properties": {"name": c.slot(pick(r, ["Café ", "Park ", "Museum ", "Bakery "]) + pick(r, LAST)), "address": address(r), "description": t}}
        for t in c.texts(r.randint(1, 5))]}


@obj("crm")
def o_crm(c):
    r = c.r
    n = name(r)
    tx = c.texts(r.randint(1, 5), True)
    return {"lead": {"id": ident(r), "name": c.slot(n), "company": company(r), "stage": pick(r, ["new", "contacted", "offer", "won"]),
                     "value": money(r, 500, 90000), "owner": email(r)},
            "activities": [{"type": pick(r, ["call", "mail", "visit", "note"]), "by": name(r), "at": iso(when(r)), "text": t} for t in tx]}


@obj("graphql")
def o_gql(c):
    r = c.r
    return {"data": {"repository": {"name": pick(r, MODULES), "description": c.slot(pick(r, TITLES)), "discussions": {"edges": [
        {"node": {"title": pick(r, QUESTIONS), "bodyText": t, "author": {"login": pick(r, HANDLES)}, "upvoteCount": r.randint(0, 50)}}
        for t in c.texts(r.randint(1, 4), True)]}}}, "extensions": {"cost": r.randint(1, 40), "hint": c.fill()}}


@obj("notebook")
def o_nb(c):
    r = c.r
    cells = []
    for t in c.texts(r.randint(1, 4), True):
        cells.append({"cell_type": "markdown", "metadata": {}, "source": [t]})
        if r.random() < .7:
            cells.append({"cell_type": "code", "execution_count": r.randint(1, 40), "metadata": {},
                          "source": ["df.groupby('city').mean()  # " + one(c.slot(pick(r, CODEC)))],
                          "outputs": [{"output_type": "stream", "text": [c.slot(f"{r.randint(10, 900)} rows")]}]})
    return {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}


@obj("parcel")
def o_parcel(c):
    r = c.r
    return {"tracking": ident(r), "carrier": company(r), "to": name(r), "instructions": c.fill(),
            "events": [{"time": iso(when(r)), "place": pick(r, CITIES), "status": pick(r, ["in transit", "delivered", "customs", "picked up"]), "detail": t}
                       for t in c.texts(r.randint(1, 5))]}


@obj("course")
def o_course(c):
    r = c.r
    return {"course": c.slot(pick(r, TITLES)), "teacher": name(r), "term": pick(r, ["spring", "autumn"]),
            "submissions": [{"student": name(r), "grade": pick(r, ["A", "B", "C", "pass", None]), "answer": t, "feedback": c.fill()}
                            for t in c.texts(r.randint(1, 4), True)]}


# --------------------------------------------------------------------------- shapes built on objects

def any_obj(c):
    return OBJECTS[c.r.randrange(len(OBJECTS))][1](c)


@shape("py_dict", 3)
def s_pydict(c):
    o, nl = any_obj(c), c.r.random() < .5
    return repr(o).replace("}, {", "},\n {") if nl else repr(o)


def y_scalar(st, v, ind):
    if v is None:
        return "null"
    if v is True or v is False:
        return str(v).lower()
    if isinstance(v, (int, float)):
        return str(v)
    if "\n" in v or (len(v) > 90 and st[0]):
        pad = "\n" + " " * (ind + 2)
        if "\n" in v:
            return "|" + "".join(pad + x if x.strip() else "\n" for x in v.split("\n"))
        return ">-\n" + wrap(v, 96, " " * (ind + 2))
    if re.fullmatch(r"[A-Za-z" + M0 + r"][\w ./()'" + M0 + M1 + r"-]*", v) and v.lower() not in ("on", "off", "yes", "no", "true", "false", "null", "y", "n"):
        return v
    return "'" + v.replace("'", "''") + "'" if st[1] else json.dumps(v, ensure_ascii=False)


def y_dump(st, o, ind=0):
    out = []
    sp = " " * ind
    if isinstance(o, dict):
        for k, v in o.items():
            if isinstance(v, (dict, list)) and v:
                out.append(f"{sp}{k}:\n" + y_dump(st, v, ind + 2))
            else:
                out.append(f"{sp}{k}: " + ("{}" if v == {} else "[]" if v == [] else y_scalar(st, v, ind)))
    else:
        for v in o:
            if isinstance(v, (dict, list)) and v:
                b = y_dump(st, v, ind + 2)
                out.append(sp + "- " + b[ind + 2:])
            else:
                out.append(sp + "- " + y_scalar(st, v, ind))
    return "\n".join(out)


@shape("yaml_result", 2.5)
def s_yaml(c):
    st = (c.r.random() < .5, c.r.random() < .5)
    return y_dump(st, any_obj(c))


def x_dump(tag, o, ind=0):
    sp = "  " * ind
    t = re.sub(r"\W", "_", str(tag))
    if isinstance(o, dict):
        return f"{sp}<{t}>\n" + "\n".join(x_dump(k, v, ind + 1) for k, v in o.items()) + f"\n{sp}</{t}>"
    if isinstance(o, list):
        it = t[:-1] if t.endswith("s") and len(t) > 2 else "item"
        return f"{sp}<{t}>\n" + "\n".join(x_dump(it, v, ind + 1) for v in o) + f"\n{sp}</{t}>"
    return f"{sp}<{t}>{html.escape('' if o is None else str(o), False)}</{t}>"


@shape("xml", 2)
def s_xml(c):
    r = c.r
    o = any_obj(c)
    head = pick(r, ['<?xml version="1.0" encoding="UTF-8"?>\n', ""])
    if r.random() < .4:
        head += f"<!-- {hc(one(c.slot(pick(r, HTMLC))))} -->\n"
    return head + x_dump(pick(r, ["response", "result", "document", "export"]), o)


@shape("json_lines", 1.2)
def s_jsonl(c):
    r = c.r
    k = pick(r, ["message", "text", "msg", "content", "body"])
    return "\n".join(json.dumps({"ts": iso(when(r)), "user": pick(r, HANDLES), "id": r.randint(1, 9999), k: t}, ensure_ascii=r.random() < .2)
                     for t in c.texts(r.randint(2, 8), True))


@shape("tool_result_text", 1.5, True)
def s_toolresult(c):
    """Key-value text that a tool prints."""
    r = c.r
    out = [pick(r, ["Result of {}:", "[{}] 1 match", "{} returned:", "Tool: {}\nStatus: success\nOutput:"]).format(pick(r, TOOLS))]
    for t in c.texts(r.randint(1, 4), True):
        out.append(f"{pick(r, ['Title', 'Name', 'Subject'])}: {one(c.slot(pick(r, TITLES)))}\n{pick(r, ['Date', 'Updated'])}: {day(r)}\n"
                   f"{pick(r, ['Author', 'From', 'Owner'])}: {name(r)}\n{pick(r, ['Content', 'Text', 'Body', 'Description'])}: {t}")
    return pick(r, ["\n\n", "\n---\n", "\n\n"]).join(out)


# --------------------------------------------------------------------------- configuration and tables

@shape("yaml_config", 1)
def s_yconf(c):
    r = c.r
    L = [lc("# ", c.slot(pick(r, CODEC))), f"name: {pick(r, MODULES)}", f"version: {r.randint(0, 9)}.{r.randint(0, 20)}"]
    q = r.random() < .5
    for i, t in enumerate(c.texts(r.randint(1, 4))):
        k = r.random()
        t = one(t)
        v = "'" + t.replace("'", "''") + "'" if q else json.dumps(t, ensure_ascii=False)
        if k < .4:
            L.append(lc("# ", t, 88))
            L.append(f"{pick(r, MODULES)}_{pick(r, NOUNS)}: {r.randint(1, 500)}")
        else:
            L.append(f"{pick(r, NOUNS)}_{i}:\n  description: {v}\n  enabled: {pick(r, ['true', 'false'])}  # {one(c.slot(pick(r, CODEC)))}")
    return "\n".join(L)


@shape("ini_toml", 1.2)
def s_ini(c):
    r = c.r
    toml = r.random() < .5
    L = []
    if r.random() < .6:
        L.append(lc(pick(r, ["# "] if toml else ["; ", "# "]), c.slot(pick(r, CODEC))))
    for i, t in enumerate(c.texts(r.randint(1, 4))):
        t = one(t)
        L.append(f"[{pick(r, MODULES)}{'.' if toml else '_'}{pick(r, NOUNS)}{i}]")
        L.append(f"timeout = {r.randint(1, 300)}")
        L.append(f"{pick(r, ['description', 'message', 'banner', 'summary', 'help'])} = " + (json.dumps(t, ensure_ascii=False) if toml else t))
        L.append("owner = " + (json.dumps(one(c.slot(email(r))), ensure_ascii=False) if toml else one(c.slot(email(r)))))
        if r.random() < .4:
            L.append(lc("# ", c.slot(pick(r, CODEC))))
        L.append("")
    return "\n".join(L)


@shape("properties_po", .8)
def s_po(c):
    r = c.r
    tx = [one(t) for t in c.texts(r.randint(2, 7))]
    if r.random() < .5:
        L = [lc("# ", c.slot("messages for the web shop"))]
        return "\n".join(L + [f"{pick(r, MODULES)}.{pick(r, VERBS)}.{pick(r, ['title', 'label', 'hint', 'error'])}{i}={t}" for i, t in enumerate(tx)])
    L = ['msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n']
    for t in tx:
        q = t.replace("\\", "\\\\").replace('"', '\\"')
        L.append(f"#: src/{pick(r, MODULES)}.c:{r.randint(1, 900)}\n#. {one(c.slot(pick(r, CODEC)))}\nmsgid \"{q}\"\nmsgstr \"\"\n")
    return "\n".join(L)


def table(c):
    """A small data table: header, rows; every row has one body text."""
    r = c.r
    kind = r.randrange(5)
    n = r.randint(2, 9)
    rows = []
    for i, t in enumerate(c.texts(n)):
        t = one(t)
        if kind == 0:
            rows.append([ident(r), day(r), one(c.slot(name(r))), pick(r, CITIES), f"{money(r)}", t])
        elif kind == 1:
            rows.append([str(i + 1), one(c.slot(pick(r, PRODUCTS))), str(r.randint(0, 500)), f"{money(r)}", t])
        elif kind == 2:
            rows.append([name(r), email(r), pick(r, DEPTS), t, one(c.fill())])
        elif kind == 3:
            rows.append([day(r), clock(r), one(c.slot(pick(r, EVENTS))), t])
        else:
            rows.append([str(r.randint(1, 5)), t, pick(r, HANDLES), one(c.slot(pick(r, ["web", "app", "store", "phone"])))])
    head = [["order_id", "date", "customer", "city", "total", "remark"], ["no", "item", "stock", "price", "description"],
            ["name", "email", "department", "comment", "status"], ["date", "time", "event", "details"], ["stars", "review", "user", "source"]][kind]
    return head, rows


@shape("csv", 2)
def s_csv(c):
    h, rows = table(c)
    f = io.StringIO()
    w = csv.writer(f, delimiter=pick(c.r, [",", ",", ";"]), lineterminator="\n", quoting=pick(c.r, [csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    w.writerow(h)
    w.writerows(rows)
    return f.getvalue()


@shape("tsv", .8)
def s_tsv(c):
    h, rows = table(c)
    return "\n".join("\t".join(x) for x in [h] + rows)


@shape("md_table", 1.3, True)
def s_mdt(c):
    r = c.r
    L = [f"{pick(r, ['#', '##'])} {one(c.slot(pick(r, TITLES)))}", ""]
    h, rows = table(c)
    esc = lambda t: t.replace("|", "\\|")
    L += ["| " + " | ".join(h) + " |", "|" + "|".join([" --- "] * len(h)) + "|"] + ["| " + " | ".join(map(esc, x)) + " |" for x in rows]
    L += ["", pick(r, ["_Source: ", "> ", "Note: "]) + one(c.slot(pick(r, FOOTERS)))]
    return "\n".join(L)


@shape("psql_output", 1)
def s_psql(c):
    r = c.r
    h, rows = table(c)
    w = [min(60, max(len(x[i]) for x in [h] + rows)) for i in range(len(h))]
    L = [f"{pick(r, MODULES)}=> SELECT {', '.join(h)} FROM {pick(r, NOUNS)} LIMIT {len(rows)};"]
    L += [" | ".join(x.ljust(k) for x, k in zip(h, w)), "-+-".join("-" * k for k in w)]
    L += [" | ".join(x.ljust(k) for x, k in zip(row, w)).rstrip() for row in rows]
    return "\n".join(L + [f"({len(rows)} rows)"])


# --------------------------------------------------------------------------- web

def html_head(c, title):
    r = c.r
    L = ["<!DOCTYPE html>", f'<html lang="{pick(r, ["en", "en", "en-GB", "de"])}">', "<head>", '<meta charset="utf-8">', f"<title>{hx(one(title))}</title>"]
    if r.random() < .6:
        L.append(f'<meta name="description" content="{ha(c.slot(pick(r, SNIPPETS)))}">')
    if r.random() < .4:
        L.append(f'<meta property="og:title" content="{ha(c.slot(pick(r, TITLES)))}">')
    if r.random() < .4:
        L.append('<script type="application/ld+json">' + json.dumps({"@type": "Article", "author": name(r), "abstract": c.slot(pick(r, SNIPPETS))}, ensure_ascii=False).replace("</", "<\\/") + "</script>")
    if r.random() < .5:
        L.append("<style>.note{color:#666}.sr-only{position:absolute;left:-9999px}</style>")
    return L + ["</head>"]


def html_extra(c):
    """An element that a person does not see, or hardly: the kind that carries planted text in the wild."""
    r = c.r
    k = r.randrange(11)
    if k == 0:
        return f"<!-- {hc(c.slot(pick(r, HTMLC)))} -->"
    if k == 1:
        return f'<div style="{pick(r, ["display:none", "visibility:hidden", "font-size:0", "position:absolute;left:-9999px", "color:#fff;font-size:1px", "opacity:0"])}">{hx(c.slot(pick(r, HIDDEN)))}</div>'
    if k == 2:
        return f'<img src="/img/{hexid(r)}.{pick(r, ["jpg", "png", "webp"])}" alt="{ha(c.slot(pick(r, ALTS)))}">'
    if k == 3:
        return f'<span class="sr-only">{hx(c.slot(pick(r, HIDDEN)))}</span>'
    if k == 4:
        return f'<a href="{url(r)}" title="{ha(c.slot(pick(r, HIDDEN)))}">{pick(r, ["more", "details", "continue reading", "source"])}</a>'
    if k == 5:
        return f"<script>\n  // {one(c.slot(pick(r, CODEC))).replace('</', '<|/')}\n  window.cfg = {{id: {r.randint(1, 99)}}};\n</script>"
    if k == 6:
        return f'<button aria-label="{ha(c.slot(pick(r, HIDDEN)))}">{pick(r, ["OK", "Close", "Menu", "Next"])}</button>'
    if k == 7:
        return f'<input type="text" name="{pick(r, NOUNS)}" placeholder="{ha(c.slot(pick(r, HIDDEN)))}">'
    if k == 8:
        return f"<noscript>{hx(c.slot('This page works best with JavaScript.'))}</noscript>"
    if k == 9:
        return f'<div data-{pick(r, ["note", "tooltip", "hint"])}="{ha(c.slot(pick(r, HIDDEN)))}" hidden></div>'
    return f'<blockquote class="note">{hx(c.slot(pick(r, FILLERS)))}</blockquote>'


@shape("html_article", 3)
def s_html(c):
    r = c.r
    t = c.slot(pick(r, TITLES))
    L = html_head(c, t) + ["<body>"]
    if r.random() < .6:
        L.append("<nav>" + " ".join(f'<a href="/{x}">{x.title()}</a>' for x in some(r, TOPICS, 2, 5)) + "</nav>")
    L += [f"<h1>{hx(pick(r, TITLES))}</h1>", f'<p class="byline">By {html.escape(name(r))}, {day(r)}</p>']
    for p in c.paras(True):
        if r.random() < .4:
            L.append(f"<h2>{pick(r, HEADINGS)}</h2>")
        if r.random() < .45:
            L.append(html_extra(c))
        tag = pick(r, ["p", "p", "p", "div", "section"])
        L.append(f"<{tag}>{hx(p)}</{tag}>")
    if r.random() < .5:
        L.append(html_extra(c))
    L += [f"<footer>{hx(c.slot(pick(r, FOOTERS)))}</footer>", "</body>", "</html>"]
    return "\n".join(L)


@shape("html_shop", 1.5)
def s_htmlshop(c):
    r = c.r
    p = pick(r, PRODUCTS)
    L = html_head(c, p) + [f'<body class="shop">', f'<div id="product-{r.randint(1, 9999)}">', f"<h1>{html.escape(p, False)}</h1>", html_extra(c),
                           f'<span class="price">{cash(r)}</span>', "<ul>"]
    tx = c.texts(r.randint(1, 6), True)
    for t in tx[:2]:
        L.append(f"<li>{hx(t)}</li>")
    L.append("</ul>")
    for t in tx[2:]:
        L.append(f'<div class="review"><b>{html.escape(pick(r, HANDLES))}</b> {"★" * r.randint(1, 5)}<p>{hx(t)}</p></div>')
    L += [html_extra(c), "<button>Add to basket</button>", "</div>", f"<footer>{hx(c.slot(pick(r, FOOTERS)))}</footer></body></html>"]
    return "\n".join(L)


@shape("html_mail", 1.2)
def s_htmlmail(c):
    r = c.r
    L = [f"Subject: {one(c.slot(pick(r, SUBJECTS)))}", f"From: {company(r)} <{email(r)}>", "Content-Type: text/html; charset=utf-8", "",
         '<html><body><table width="600"><tr><td>', f'<span style="display:none;max-height:0">{hx(c.slot(pick(r, SNIPPETS)))}</span>',
         f"<p>{pick(r, ['Hello', 'Dear', 'Hi'])} {pick(r, FIRST)},</p>"]
    for p in c.paras(True):
        L.append(f"<p>{hx(p)}</p>")
        if r.random() < .3:
            L.append(html_extra(c))
    L += [f'<p><a href="{url(r)}">{pick(r, ["View online", "See your order", "Open the portal"])}</a></p>',
          f'<p style="font-size:10px;color:#999">{hx(c.slot(pick(r, FOOTERS)))}</p>', "</td></tr></table></body></html>"]
    return "\n".join(L)


@shape("html_table", 1)
def s_htmltable(c):
    r = c.r
    h, rows = table(c)
    L = [f"<!-- {hc(c.slot(pick(r, HTMLC)))} -->"] if r.random() < .4 else []
    L += ['<table class="data">', f"<caption>{hx(c.slot(pick(r, TITLES)))}</caption>", "<tr>" + "".join(f"<th>{x}</th>" for x in h) + "</tr>"]
    L += ["<tr>" + "".join(f"<td>{hx(x)}</td>" for x in row) + "</tr>" for row in rows]
    return "\n".join(L + ["</table>"])


@shape("svg", .6)
def s_svg(c):
    r = c.r
    L = ['<svg xmlns="http://www.w3.org/2000/svg" width="640" height="400">', f"<title>{html.escape(one(c.slot(pick(r, ALTS))), False)}</title>",
         f"<desc>{html.escape(one(c.slot(pick(r, SNIPPETS))), False)}</desc>"]
    for i, p in enumerate(c.texts(r.randint(1, 5))):
        L.append(f'<rect x="{r.randint(0, 300)}" y="{i * 40}" width="80" height="30" fill="#{hexid(r, 6)}"/>')
        L.append(f'<text x="{r.randint(0, 300)}" y="{i * 40 + 20}" font-size="{pick(r, [1, 12, 14])}">{html.escape(p, False)}</text>')
    return "\n".join(L + ["</svg>"])


@shape("rss", 1.2)
def s_rss(c):
    r = c.r
    L = ['<?xml version="1.0" encoding="UTF-8"?>', '<rss version="2.0"><channel>', f"<title>{html.escape(company(r), False)}</title>", f"<link>{html.escape(url(r))}</link>",
         f"<description>{html.escape(one(c.slot(pick(r, SNIPPETS))), False)}</description>"]
    cd = r.random() < .4
    for t in c.texts(r.randint(1, 5), True):
        d = "<![CDATA[" + t.replace("]]>", "]] >") + "]]>" if cd else html.escape(t, False)
        L.append(f"<item><title>{html.escape(one(c.slot(pick(r, TITLES))), False)}</title><pubDate>{when(r).strftime('%a, %d %b %Y %H:%M:%S GMT')}</pubDate>"
                 f"<author>{email(r)}</author><description>{d}</description></item>")
    return "\n".join(L + ["</channel></rss>"])


@shape("a11y_tree", 1.8)
def s_a11y(c):
    r = c.r
    i = r.randint(1, 30)
    L = [f"RootWebArea '{one(c.slot(pick(r, TITLES)))}' focused"]
    for x in some(r, TOPICS, 1, 4):
        i += 1
        L.append(f"\t[{i}] link '{x.title()}'")
    for t in c.texts(r.randint(2, 8)):
        i += 1
        k = r.randrange(6)
        t = one(t)
        if k == 0:
            L.append(f"\t[{i}] heading '{pick(r, HEADINGS)}'\n\t\tStaticText '{t}'")
        elif k == 1:
            L.append(f"\t[{i}] img '{one(c.slot(pick(r, ALTS)))}'\n\t[{i + 100}] paragraph '{t}'")
        elif k == 2:
            L.append(f"\t[{i}] article ''\n\t\t[{i + 100}] link '{pick(r, HANDLES)}'\n\t\tStaticText '{t}'")
        else:
            L.append(f"\t[{i}] StaticText '{t}'")
        if r.random() < .3:
            L.append(f"\t[{i + 200}] button '{one(c.slot(pick(r, HIDDEN)))}'")
    L.append(f"\t[{i + 1}] textbox 'Search' required: False")
    return "\n".join(L)


@shape("search_results_text", 1.2)
def s_searchtext(c):
    r = c.r
    L = [f"Search results for \"{pick(r, TITLES).lower()}\":", ""]
    for i, t in enumerate(c.texts(r.randint(2, 7))):
        L.append(f"{i + 1}. {one(c.slot(pick(r, TITLES)))}\n   {url(r)}\n   {one(t)}\n")
    return "\n".join(L)


@shape("page_text", 1.5, True)
def s_pagetext(c):
    """What a text browser leaves of a page."""
    r = c.r
    L = [" | ".join(x.title() for x in some(r, TOPICS, 3, 6)), "", c.slot(pick(r, TITLES)), f"{pick(r, ['Published', 'Last updated', 'Posted'])} {day(r)} · {r.randint(2, 14)} min read", ""]
    for p in c.paras(True):
        L += [p, ""]
        if r.random() < .3:
            L += [f"[Image: {c.slot(pick(r, ALTS))}]", ""]
    L += ["Related: " + "; ".join(some(r, TITLES, 2, 3)), f"© {r.randint(2015, 2027)} {company(r)}. {c.slot(pick(r, FOOTERS))}"]
    return "\n".join(L)


# --------------------------------------------------------------------------- Markdown, wiki, prose

@shape("readme", 2, True)
def s_readme(c):
    r = c.r
    m = pick(r, MODULES) + "-" + pick(r, NOUNS)
    L = [f"# {m}", "", f"![{c.slot(pick(r, ['build', 'coverage', 'licence', 'logo']))}](https://img.{domain(r)}/b/{m}.svg)", ""]
    for i, p in enumerate(c.paras(True)):
        if i:
            L += [f"## {pick(r, HEADINGS + ['Installation', 'Configuration', 'Contributing', 'Licence'])}", ""]
        L += [p, ""]
        if r.random() < .35:
            L += ["```" + pick(r, ["bash", "sh", "console"]), pick(r, [f"pip install {m}", f"npm install {m}", f"cargo add {m}", "make test"]) + pick(r, ["", "  # " + one(c.slot(pick(r, CODEC)))]), "```", ""]
        if r.random() < .25:
            L += [f"<!-- {hc(c.slot(pick(r, HTMLC)))} -->", ""]
        if r.random() < .2:
            L += [f"[//]: # ({one(c.slot(pick(r, CODEC)))})", ""]
    L += [c.slot(f"Licensed under {pick(r, ['MIT', 'Apache-2.0', 'BSD-3-Clause'])}.")]
    return "\n".join(L)


@shape("md_notes", 1.3, True)
def s_mdnotes(c):
    r = c.r
    L = []
    if r.random() < .4:
        L += ["---", f"title: {json.dumps(one(c.slot(pick(r, TITLES))), ensure_ascii=False)}", f"date: {when(r).date()}", f"tags: [{', '.join(some(r, TAGS, 1, 3))}]", "---", ""]
    b = pick(r, ["- ", "* ", "- [ ] ", "1. "])
    if r.random() < .6:
        L += [f"# {c.slot(pick(r, TITLES))}", ""]
    for p in c.texts(r.randint(1, 5), True):
        k = r.random()
        if k < .4:
            L += [b + one(p)]
        elif k < .6:
            L += ["", "> " + p.replace("\n", "\n> "), ""]
        else:
            L += ["", p, ""]
    return "\n".join(L)


@shape("mediawiki", 1)
def s_wiki(c):
    r = c.r
    t = pick(r, TITLES)
    L = [f"{{{{Infobox | name = {one(c.slot(t))} | location = {pick(r, CITIES)} | founded = {r.randint(1700, 2015)}}}}}", f"'''{t}'''"]
    for i, p in enumerate(c.paras(True)):
        if i:
            L.append(f"== {pick(r, HEADINGS)} ==")
        L.append(p + pick(r, ["", f"<ref>{name(r)}: ''{pick(r, TITLES)}'', {r.randint(1950, 2024)}.</ref>"]))
        if r.random() < .3:
            L.append(f"[[File:{slug(t)}.jpg|thumb|{one(c.slot(pick(r, ALTS)))}]]")
        if r.random() < .2:
            L.append(f"<!-- {hc(c.slot(pick(r, HTMLC)))} -->")
    L.append(f"[[Category:{pick(r, TOPICS).title()}]]")
    return "\n".join(L)


@shape("plain", 2.5, True)
def s_plain(c):
    r = c.r
    p = c.paras(True)
    w = pick(r, [None, None, None, 72, 90])
    if w:
        p = [wrap(x, w) for x in p]
    return pick(r, ["\n\n", "\n\n", "\n"]).join(p)


@shape("news", 1.5, True)
def s_news(c):
    r = c.r
    L = [c.slot(pick(r, TITLES)), f"By {name(r)} | {day(r)} | {pick(r, TOPICS).title()}", ""]
    p = c.paras(True)
    L += [f"{pick(r, CITIES).upper()} — {p[0]}", ""]
    for x in p[1:]:
        L += [x, ""]
        if r.random() < .25:
            L += [pick(r, ["ADVERTISEMENT: ", "Read also: ", "Photo: "]) + c.slot(pick(r, SNIPPETS)), ""]
    L.append(c.slot(pick(r, FOOTERS)))
    return "\n".join(L)


@shape("encyclopedia", .8, True)
def s_ency(c):
    r = c.r
    t = pick(r, TITLES)
    L = [t, "From the free reference", ""]
    for i, p in enumerate(c.paras(True)):
        if i:
            L += [f"{pick(r, HEADINGS)}[edit]"]
        L += [p + pick(r, ["", f"[{r.randint(1, 30)}]"]), ""]
    L += ["References"] + [f"{i + 1}. ^ {name(r)} ({r.randint(1960, 2024)}). {one(c.slot(pick(r, TITLES)))}. {company(r)}." for i in range(r.randint(1, 4))]
    return "\n".join(L)


@shape("faq", 1.2, True)
def s_faq(c):
    r = c.r
    st = r.randrange(3)
    L = [f"{company(r)}: frequently asked questions", ""]
    for t in c.texts(r.randint(1, 6), True):
        q = c.slot(pick(r, QUESTIONS))
        L += [[f"Q: {q}\nA: {t}", f"## {q}\n{t}", f"{q}\n   {t}"][st], ""]
    return "\n".join(L)


@shape("terms", 1)
def s_terms(c):
    r = c.r
    L = [f"{pick(r, ['TERMS OF SERVICE', 'GENERAL TERMS AND CONDITIONS', 'LEASE AGREEMENT', 'SERVICE AGREEMENT', 'PRIVACY POLICY'])}", f"{company(r)} — effective {day(r)}", ""]
    n = 1
    for p in c.paras():
        L.append(f"{n}. {pick(r, ['Definitions', 'Scope', 'Payment', 'Liability', 'Term', 'Confidentiality', 'Data protection', 'Notices'])}")
        L += [f"{n}.1 {p}"]
        if r.random() < .6:
            L += [f"{n}.2 " + c.slot(pick(r, ["This section survives termination.", "Sub-clause 1 applies accordingly.", "The parties agree on written form.", "Statutory rights remain unaffected."]))]
        L.append("")
        n += 1
    L.append(c.slot(f"Place of jurisdiction is {pick(r, CITIES)}."))
    return "\n".join(L)


@shape("resume", 1.2, True)
def s_resume(c):
    r = c.r
    n = name(r)
    L = [n, f"{address(r)} | {phone(r)} | {email(r, n)}", "", "PROFILE"]
    p = c.texts(r.randint(2, 5), True)
    L += [p[0], "", "EXPERIENCE"]
    y = r.randint(2018, 2025)
    for x in p[1:]:
        L += [f"{y - r.randint(1, 4)}–{y}  {c.slot(pick(r, ROLES))}, {company(r)}, {pick(r, CITIES)}", "  • " + one(x)]
        y -= r.randint(2, 5)
    L += ["", "EDUCATION", f"{y}  {pick(r, ['BSc', 'MA', 'Diploma', 'Apprenticeship'])}, {pick(r, CITIES)}", "", "SKILLS", ", ".join(some(r, SKILLS, 3, 7)),
          "", c.slot("References available on request.")]
    return "\n".join(L)


@shape("invoice", 1.2)
def s_invoice(c):
    r = c.r
    L = [company(r), address(r), "", f"INVOICE No. {ident(r)}", f"Date: {day(r)}    Due: {day(r)}", f"Bill to: {name(r)}, {address(r)}", ""]
    L.append(f"{'Pos':4}{'Description':44}{'Qty':>5}{'Amount':>12}")
    tx = [one(t) for t in c.texts(r.randint(1, 5))]
    k = r.randint(1, len(tx))
    for i, t in enumerate(tx[:k]):
        L.append(f"{i + 1:<4}{pick(r, PRODUCTS)[:42]:44}{r.randint(1, 9):>5}{money(r):>12.2f}\n    {t}")
    L += [f"{'Total':53}{money(r, 20, 9000):>12.2f} {pick(r, CURR)}", "", f"Payable to {iban(r)}, reference {c.slot(ident(r))}"]
    L += ["Note: " + t for t in tx[k:]]
    return "\n".join(L + [c.slot(pick(r, FOOTERS))])


@shape("lab_report", 1)
def s_lab(c):
    r = c.r
    L = [f"LABORATORY REPORT  {ident(r)}", f"Patient: {name(r)}   born {r.randint(1935, 2015)}   Ordered by: Dr. {pick(r, LAST)}", f"Collected: {day(r)} {clock(r)}", "", f"{'Test':22}{'Result':>10}  {'Unit':10}{'Reference':14}"]
    for a, u, lo, hi in r.sample([("Hemoglobin", "g/dl", 12.0, 16.0), ("Leukocytes", "10^9/l", 4.0, 10.0), ("Glucose", "mg/dl", 70, 99), ("Creatinine", "mg/dl", 0.6, 1.1),
                                  ("TSH", "mU/l", 0.4, 4.0), ("CRP", "mg/l", 0, 5), ("Potassium", "mmol/l", 3.5, 5.1), ("Ferritin", "µg/l", 15, 150)], r.randint(2, 6)):
        v = round(lo + (hi - lo) * r.uniform(-.15, 1.25), 1)
        L.append(f"{a:22}{max(v, 0):>10.1f}  {u:10}{f'{lo}-{hi}':14}" + (" H" if v > hi else " L" if v < lo else ""))
    L.append("")
    for h, p in zip(["Comment", "Interpretation", "Findings", "Recommendation", "History", "Remarks"], c.paras()):
        L.append(f"{h}: {p}")
    L += [f"Material: {c.slot(pick(r, ['serum', 'EDTA blood', 'urine', 'swab']))}", f"Validated by {name(r)}. " + c.slot(pick(r, FOOTERS))]
    return "\n".join(L)


@shape("recipe", 1, True)
def s_recipe(c):
    r = c.r
    L = [c.slot(pick(r, DISHES)), f"Serves {r.randint(2, 8)} · {r.randint(10, 120)} minutes", "", "Ingredients"]
    L += ["- " + x for x in some(r, INGR, 3, 8)] + ["- " + c.slot("salt to taste"), "", "Method"]
    tx = c.texts(r.randint(1, 6))
    for i, t in enumerate(tx):
        L.append(f"{i + 1}. {t}")
    L += ["", "Comments", f"{pick(r, HANDLES)}: {c.fill()}"]
    return "\n".join(L)


@shape("product_text", 1, True)
def s_prodtext(c):
    r = c.r
    p = pick(r, PRODUCTS)
    L = [p, f"{'★' * r.randint(2, 5)} ({r.randint(3, 4000)} ratings)  {cash(r)}  {pick(r, ['In stock', 'Ships in 2 days', 'Only 3 left'])}", "", "About this item"]
    tx = c.texts(r.randint(1, 6), True)
    k = r.randint(1, len(tx))
    L += ["• " + one(t) for t in tx[:k]] + ["", "Customer reviews"]
    for t in tx[k:]:
        L += [f"{name(r)} — {r.randint(1, 5)}/5 — {c.slot(pick(r, FILLERS))}", f"Reviewed on {day(r)} | Verified purchase", t, f"{r.randint(0, 60)} people found this helpful", ""]
    L += ["Q&A", f"Q: {pick(r, QUESTIONS)}", f"A: {c.fill()}"]
    return "\n".join(L)


@shape("paper", 1)
def s_paper(c):
    r = c.r
    L = [c.slot(pick(r, TITLES)), ", ".join(name(r) for _ in range(r.randint(1, 4))), f"University of {pick(r, CITIES)}", "", "Abstract"]
    for i, p in enumerate(c.paras()):
        if i:
            L.append(f"{i} {pick(r, HEADINGS)}")
        L += [p, ""]
        if r.random() < .3:
            L.append(f"Figure {i + 1}: {c.slot(pick(r, ALTS))}")
    L += ["Acknowledgements", c.slot("We thank the anonymous reviewers."), "References", f"[1] {name(r)}. {pick(r, TITLES)}. {r.randint(1990, 2024)}."]
    return "\n".join(L)


@shape("pdf_text", 1.5)
def s_pdf(c):
    r = c.r
    h0 = pick(r, TITLES)
    head = one(c.slot(h0))
    L, page = [], r.randint(1, 40)
    w = r.randint(52, 92)
    for p in c.paras():
        L.append(wrap(p, w))
        if r.random() < .5:
            L += ["", f"{pick(r, ['Page', '-', 'p.'])} {page}", "\f" + (h0 if r.random() < .6 else pick(r, HEADINGS).upper()), ""]
            page += 1
    L += ["", wrap(f"{r.randint(1, 9)} " + one(c.slot("See also section 4.")), w)]
    return head + "\n\n" + "\n".join(L)


@shape("latex", 1)
def s_latex(c):
    r = c.r

    def tx(t):
        m = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
        return "".join(m.get(x, x) for x in t)
    L = [r"\documentclass{article}", r"\title{%s}" % tx(one(c.slot(pick(r, TITLES)))), r"\author{%s}" % name(r), r"\begin{document}", r"\maketitle"]
    for p in c.paras():
        if r.random() < .5:
            L.append(r"\section{%s}" % pick(r, HEADINGS))
        if r.random() < .35:
            L.append(lc("% ", c.slot(pick(r, CODEC))))
        if r.random() < .2:
            L.append(r"{\color{white}\tiny %s}" % tx(one(c.slot(str(r.randint(1, 99))))))
        L.append(wrap(tx(p), 84))
        if r.random() < .25:
            L.append(r"\footnote{%s}" % tx(one(c.slot(pick(r, FOOTERS)))))
    return "\n".join(L + [r"\end{document}"])


@shape("letter", 1)
def s_letter(c):
    r = c.r
    L = [company(r), address(r), "", f"{pick(r, CITIES)}, {day(r)}", "", f"{pick(r, ['Re: ', 'Subject: '])}{c.slot(pick(r, SUBJECTS))}", "", f"Dear {pick(r, ['Mr. ', 'Ms. ', 'Dr. '])}{pick(r, LAST)},", ""]
    for p in c.paras(True):
        L += [p, ""]
    L += [pick(r, ["Yours sincerely,", "Kind regards,", "Best wishes,"]), name(r), "", c.slot(pick(r, ["Encl.: 2", "P.S. The car park is closed.", "cc: file"]))]
    return "\n".join(L)


@shape("manual", .9, True)
def s_manual(c):
    r = c.r
    L = [f"{pick(r, PRODUCTS)} — {pick(r, ['user manual', 'quick start guide', 'safety instructions'])}", ""]
    for i, t in enumerate(c.texts(r.randint(1, 7))):
        L.append(pick(r, [f"{i + 1}. {t}", f"Step {i + 1}: {t}", f"⚠ {pick(r, ['WARNING', 'CAUTION', 'NOTE'])}: {t}"]))
    L += ["", f"Technical data: {r.randint(5, 240)} V, {r.randint(1, 60)} W. " + c.slot(pick(r, FOOTERS))]
    return "\n".join(L)


@shape("ocr_receipt", .7)
def s_ocr(c):
    r = c.r
    L = ["*** " + company(r).upper() + " ***", address(r), f"{day(r)} {clock(r)}  TILL {r.randint(1, 9)}", "-" * 32]
    for _ in range(r.randint(1, 6)):
        L.append(f"{pick(r, PRODUCTS)[:22]:22}{money(r, 1, 90):>10.2f}")
    L += ["-" * 32, f"TOTAL{money(r, 5, 300):>27.2f}", ""]
    L += [wrap(t, 40) for t in c.texts(r.randint(1, 3))] + [wrap(one(c.slot("THANK YOU FOR YOUR VISIT")), 40)]
    return "\n".join(L)


@shape("form", .9)
def s_form(c):
    r = c.r
    L = [f"{pick(r, ['APPLICATION FORM', 'DAMAGE REPORT', 'REGISTRATION', 'FEEDBACK FORM', 'SURVEY RESPONSE'])} #{r.randint(100, 9999)}", f"Name: {c.slot(name(r))}", f"Date of birth: {r.randint(1940, 2008)}-0{r.randint(1, 9)}-{r.randint(10, 28)}",
         f"Address: {c.slot(address(r))}", f"Phone: {phone(r)}"]
    for t in c.texts(r.randint(1, 6), True):
        L.append(f"{pick(r, ['Comments', 'Reason', 'Message', 'What went well?', 'What could be better?', 'Description of the event', 'Other remarks', 'Special requests'])}: {t}")
    return "\n".join(L)


# --------------------------------------------------------------------------- mail, chat, speech

def mail_head(c, subj):
    r = c.r
    a, b = name(r), name(r)
    L = [f"From: {a} <{email(r, a)}>", f"To: {b} <{email(r, b)}>"]
    if r.random() < .3:
        L.append(f"Cc: {email(r)}")
    L += [f"Date: {when(r).strftime('%a, %d %b %Y %H:%M:%S +0100')}", f"Subject: {one(subj)}"]
    if r.random() < .3:
        L.append(f"Message-ID: <{hexid(r, 16)}@{domain(r)}>")
    if r.random() < .2:
        L.append(f"X-Note: {one(c.slot('scanned'))}")
    return L, a, b


@shape("email", 3, True)
def s_email(c):
    r = c.r
    L, a, b = mail_head(c, c.slot(pick(r, SUBJECTS)))
    L += ["", f"{pick(r, ['Hi', 'Hello', 'Dear', 'Hey', 'Good morning'])} {b.split()[0]},", ""]
    for p in c.paras(True):
        L += [p, ""]
    L += [pick(r, ["Best,", "Thanks,", "Kind regards,", "Cheers,", "Bye", "Many thanks"]), a.split()[0]]
    if r.random() < .5:
        L += ["", "--", a, pick(r, ROLES) + ", " + company(r), c.slot(pick(r, FOOTERS))]
    return "\n".join(L)


@shape("email_thread", 2, True)
def s_thread(c):
    r = c.r
    s = pick(r, SUBJECTS)
    tx = c.texts(r.randint(2, 5), True)
    L, a, b = mail_head(c, "Re: " + c.slot(s))
    L += ["", tx[0], "", pick(r, ["Best,", "Thanks,", "Cheers,", "BR"]), a.split()[0], ""]
    q = ""
    ol = r.random() < .25
    for t in tx[1:]:
        q += "" if ol else "> "
        n = name(r)
        if ol:
            L += ["-----Original Message-----", f"From: {n}", f"Sent: {day(r)} {clock(r)}", f"Subject: {s}", "", t, ""]
        else:
            L += [f"{q[2:]}On {day(r)}, {n} <{email(r, n)}> wrote:"]
            L += [q + x for x in (t + "\n" + c.fill()).split("\n")] + [q.rstrip()]
    return "\n".join(L)


@shape("newsletter", 1.2, True)
def s_news2(c):
    r = c.r
    L = [f"{company(r)} {pick(r, ['Weekly', 'Digest', 'News', 'Monthly'])} | issue {r.randint(1, 300)}", c.slot(pick(r, SNIPPETS)), "=" * r.randint(20, 60), ""]
    for t in c.texts(r.randint(1, 5), True):
        L += [f"{pick(r, ['*', '>>', '##', '■'])} {c.slot(pick(r, TITLES))}", t, f"Read more: {url(r)}", ""]
    L += ["-" * 30, c.slot(pick(r, FOOTERS)), f"{company(r)}, {address(r)}"]
    return "\n".join(L)


@shape("mailbox_list", 1)
def s_mbox(c):
    r = c.r
    L = [f"Inbox ({r.randint(1, 90)} unread)"]
    for i, t in enumerate(c.texts(r.randint(2, 7))):
        L.append(f"{i + 1}. [{day(r)}] {name(r)}: {one(c.slot(pick(r, SUBJECTS)))} — {one(t)}")
    return "\n".join(L)


@shape("ics", 1.2)
def s_ics(c):
    r = c.r
    fold = r.random() < .5

    def ln(k, t):
        t = t.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
        s = f"{k}:{t}"
        if fold:
            out, cur = [], ""
            for x in re.findall(r"\S+\s*|\s+", s):       # folded between words: the planted text stays readable
                if cur and len(cur) + len(x) > 74:
                    out.append(cur)
                    cur = ""
                cur += x
            s = "\n ".join(out + [cur])
        return s
    L = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:-//{company(r)}//EN"]
    for t in c.texts(r.randint(1, 4), True):
        d = when(r)
        L += ["BEGIN:VEVENT", f"UID:{hexid(r, 16)}@{domain(r)}", f"DTSTART:{d.strftime('%Y%m%dT%H%M%SZ')}", ln("SUMMARY", one(c.slot(pick(r, EVENTS)))),
              ln("DESCRIPTION", t), ln("LOCATION", one(c.slot(address(r)))), f"ORGANIZER;CN={name(r)}:mailto:{email(r)}", "END:VEVENT"]
    return "\n".join(L + ["END:VCALENDAR"])


@shape("vcard", .6)
def s_vcard(c):
    r = c.r
    L = []
    for t in c.texts(r.randint(1, 3)):
        n = name(r)
        L += ["BEGIN:VCARD", "VERSION:4.0", f"FN:{one(c.slot(n))}", f"EMAIL:{email(r, n)}", f"TEL:{phone(r)}", f"TITLE:{pick(r, ROLES)}",
              "NOTE:" + one(t).replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;"), "END:VCARD"]
    return "\n".join(L)


@shape("chat", 2, True)
def s_chat(c):
    r = c.r
    who = some(r, FIRST, 2, 4)
    st = r.randrange(5)
    L = []
    h, m = r.randint(6, 20), r.randint(0, 40)
    d = when(r)
    if r.random() < .3:
        L.append(f"#{pick(r, TOPICS)} — {c.slot(pick(r, TITLES))}")
    for t in c.texts(r.randint(2, 10), True):
        m += r.randint(0, 4)
        w, ts = pick(r, who), f"{h + m // 60:02d}:{m % 60:02d}"
        L.append([f"{w}: {t}", f"[{ts}] {w}: {t}", f"{d.strftime('%d/%m/%Y')}, {ts} - {w}: {t}", f"{w}  {ts}\n{t}\n", f"<{w.lower()}> {one(t)}"][st])
    return "\n".join(L)


@shape("support_chat", .9)
def s_support(c):
    r = c.r
    L = [f"Transcript of chat {ident(r)} | {day(r)} | {company(r)} support"]
    a, b = pick(r, FIRST), name(r)
    for i, t in enumerate(c.texts(r.randint(2, 8))):
        L.append(f"{[b, a + ' (Support)'][i % 2]}: {t}")
    return "\n".join(L + [f"Rating: {r.randint(1, 5)}/5. Comment: {c.fill()}"])


@shape("minutes", 1.2, True)
def s_minutes(c):
    r = c.r
    L = [f"Minutes: {c.slot(pick(r, EVENTS))}", f"Date: {day(r)}, {clock(r)}", "Present: " + ", ".join(name(r) for _ in range(r.randint(2, 5))), f"Minutes taken by: {name(r)}", ""]
    for i, t in enumerate(c.texts(r.randint(1, 6))):
        L += [f"{pick(r, ['TOP', 'Item', ''])} {i + 1}. {pick(r, HEADINGS)}".strip(), t]
        if r.random() < .4:
            L.append(f"  Action: {c.slot(pick(r, FILLERS))} ({pick(r, FIRST)}, {day(r)})")
        L.append("")
    return "\n".join(L + ["Any other business: " + c.slot("none")])


@shape("speech_transcript", .8)
def s_speech(c):
    r = c.r
    L, s = [f"Transcript — {c.slot(pick(r, TITLES))}"], 0
    w = [pick(r, ["Speaker ", "S"]) + str(i) for i in range(1, 4)]
    for t in c.texts(r.randint(2, 8)):
        s += r.randint(3, 90)
        L.append(f"[00:{s // 60:02d}:{s % 60:02d}] {pick(r, w)}: {one(t)}")
    return "\n".join(L)


@shape("subtitles", 1)
def s_srt(c):
    r = c.r
    vtt = r.random() < .3
    L, s = (["WEBVTT", "", "NOTE " + one(c.slot(pick(r, FOOTERS))), ""] if vtt else []), r.randint(0, 600)
    for i, t in enumerate(c.texts(r.randint(2, 9))):
        e = s + r.randint(1, 6)
        f = lambda x: f"{x // 3600:02d}:{x // 60 % 60:02d}:{x % 60:02d}{'.' if vtt else ','}{r.randint(0, 999):03d}"
        L += [str(i + 1), f"{f(s)} --> {f(e)}", wrap(one(t), 42), ""]
        s = e + r.randint(0, 4)
    return "\n".join(L)


@shape("forum", 1.3, True)
def s_forum(c):
    r = c.r
    L = [f"Thread: {c.slot(pick(r, QUESTIONS + TITLES))}", f"Forum > {pick(r, TOPICS).title()} > {r.randint(1, 9)} pages", ""]
    prev = None
    for i, t in enumerate(c.texts(r.randint(2, 6), True)):
        w = pick(r, HANDLES)
        L.append(f"#{i + 1} {w} ({pick(r, ['Newbie', 'Member', 'Veteran', 'Moderator'])}, {r.randint(1, 4000)} posts) — {day(r)}")
        if prev and r.random() < .3:
            L.append(f"> {prev} wrote: {c.fill()}")
        L += [t, f"_______\n{c.slot(pick(r, FOOTERS))}" if r.random() < .25 else "", ""]
        prev = w
    return "\n".join(L)


@shape("reddit", .8, True)
def s_reddit(c):
    r = c.r
    tx = c.texts(r.randint(2, 6), True)
    L = [f"r/{pick(r, TOPICS)} · Posted by u/{pick(r, HANDLES)}", c.slot(pick(r, TITLES)), tx[0], f"{r.randint(1, 900)} points · {len(tx) - 1} comments", ""]
    for t in tx[1:]:
        ind = "  " * r.randint(0, 2)
        L += [f"{ind}u/{pick(r, HANDLES)} · {r.randint(-3, 300)} points"] + [ind + x for x in t.split("\n")] + [""]
    return "\n".join(L)


@shape("social_feed", .9)
def s_feed(c):
    r = c.r
    return "\n\n".join(f"{name(r)} @{pick(r, HANDLES)} · {r.randint(1, 59)}{pick(r, 'mhd')}\n{t}\n♥ {r.randint(0, 999)}  ↻ {r.randint(0, 99)}  {c.slot('#' + pick(r, TAGS))}"
                       for t in c.texts(r.randint(2, 6), True))


# --------------------------------------------------------------------------- logs, terminals, errors

@shape("log_file", 1.6)
def s_log(c):
    r = c.r
    d, st, L = when(r), r.randrange(4), []
    for t in c.texts(r.randint(3, 12)):
        d += _dt.timedelta(seconds=r.randint(0, 90))
        t = one(t)
        lv, m = pick(r, ["INFO", "INFO", "WARN", "DEBUG", "ERROR"]), pick(r, MODULES)
        k = f"{pick(r, ['user', 'note', 'agent', 'msg', 'title'])}={json.dumps(one(c.slot(pick(r, HANDLES))), ensure_ascii=False)}" if r.random() < .25 else ""
        L.append([f"{d:%Y-%m-%d %H:%M:%S},{r.randint(0, 999):03d} {lv:5} [{m}] {t} {k}".rstrip(),
                  f"{d:%b %d %H:%M:%S} {pick(r, ['web', 'db', 'mx'])}{r.randint(1, 9)} {m}[{r.randint(100, 9999)}]: {t} {k}".rstrip(),
                  f'time={iso(d)} level={lv.lower()} component={m} msg={json.dumps(t, ensure_ascii=False)} {k}'.rstrip(),
                  f"{lv[0]}{d:%m%d %H:%M:%S} {m}.py:{r.randint(1, 500)}] {t} {k}".rstrip()][st])
    return "\n".join(L)


@shape("access_log", .8)
def s_access(c):
    r = c.r
    d, L = when(r), []
    for t in c.texts(r.randint(2, 7)):
        d += _dt.timedelta(seconds=r.randint(0, 90))
        L.append(f'203.0.113.{r.randint(1, 254)} - - [{d:%d/%b/%Y:%H:%M:%S +0000}] "GET /{pick(r, NOUNS)}/{r.randint(1, 999)} HTTP/1.1" {pick(r, [200, 200, 304, 404])} {r.randint(100, 90000)} "{url(r)}" "'
                 + one(t).replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "\n".join(L)


@shape("stack_trace", 1)
def s_trace(c):
    r = c.r
    tx = c.texts(r.randint(1, 4))
    java = r.random() < .35
    L = [one(t) for t in tx[1:]]
    if java:
        L.append(f"Exception in thread \"main\" com.{pick(r, DOMAINS)}.{pick(r, MODULES).title()}Exception: {one(tx[0])}")
        L += [f"\tat com.{pick(r, DOMAINS)}.{pick(r, MODULES).title()}.{pick(r, VERBS)}({pick(r, MODULES).title()}.java:{r.randint(10, 600)})" for _ in range(r.randint(2, 6))]
        L.append("Caused by: java.io.IOException: " + one(c.slot("Broken pipe")))
    else:
        L.append("Traceback (most recent call last):")
        for _ in range(r.randint(1, 4)):
            L.append(f'  File "/srv/app/{pick(r, MODULES)}.py", line {r.randint(5, 700)}, in {pick(r, VERBS)}_{pick(r, NOUNS)}\n    {pick(r, VERBS)}({pick(r, NOUNS)})  # {one(c.slot(pick(r, CODEC)))}')
        L.append(f"{pick(r, ERRS)}: {one(tx[0])}")
    return "\n".join(L)


@shape("tool_error", 1.3, True)
def s_toolerr(c):
    r = c.r
    tx = c.texts(r.randint(1, 3), True)
    st = r.randrange(4)
    n = pick(r, TOOLS)
    if st == 0:
        L = [f"Error while calling {n}: {pick(r, ERRS)}: {tx[0]}"] + tx[1:] + [f"Hint: {c.slot('check the arguments and try again.')}"]
    elif st == 1:
        L = [f"HTTP/1.1 {pick(r, ['400 Bad Request', '403 Forbidden', '404 Not Found', '429 Too Many Requests', '503 Service Unavailable'])}", "Content-Type: text/plain", f"X-Request-Id: {hexid(r, 12)}", "", *tx, c.slot("See the documentation for details.")]
    elif st == 2:
        L = [json.dumps({"error": {"code": pick(r, ["invalid_request", "not_found", "timeout"]), "message": tx[0], "details": tx[1:], "help": c.slot(url(r))}}, indent=2, ensure_ascii=False)]
    else:
        L = [f"<tool_error name=\"{n}\">", *tx, f"Suggestion: {c.slot('retry later')}", "</tool_error>"]
    return "\n".join(L)


@shape("terminal", 1.5, True)
def s_term(c):
    r = c.r
    u = f"{pick(r, FIRST).lower()}@{pick(r, ['build', 'web', 'laptop', 'dev'])}-{r.randint(1, 9)}:~/{pick(r, MODULES)}$ "
    L = []
    for t in c.texts(r.randint(1, 5), True):
        k = r.randrange(5)
        if k == 0:
            L += [u + f"cat {pick(r, FILES)}", t]
        elif k == 1:
            L += [u + "ls -l", f"total {r.randint(4, 90)}"] + [f"-rw-r--r-- 1 {pick(r, FIRST).lower()} staff {r.randint(90, 99999):>6} {when(r):%b %d %H:%M} {one(c.slot(f)) if r.random() < .3 else f}" for f in some(r, FILES, 2, 5)] + [u + f"head -n 5 {pick(r, FILES)}", t]
        elif k == 2:
            L += [u + f"grep -rn {pick(r, NOUNS)} .", f"./{pick(r, MODULES)}.py:{r.randint(1, 400)}:# {one(t)}"]
        elif k == 3:
            L += [u + f"python {pick(r, MODULES)}.py --{pick(r, VERBS)}", f"{pick(r, VERBS)}: {r.randint(2, 900)} {pick(r, NOUNS)} ... done", t]
        else:
            L += [u + f"curl -s {url(r)}", t]
    return "\n".join(L + [u])


@shape("git_log", 1)
def s_gitlog(c):
    r = c.r
    L = []
    for t in c.texts(r.randint(1, 6), True):
        n = name(r)
        L += [f"commit {hexid(r, 40)}", f"Author: {n} <{email(r, n)}>", f"Date:   {when(r).strftime('%a %b %d %H:%M:%S %Y +0200')}", "", "    " + one(c.slot(pick(r, COMMITS))), ""]
        L += ["    " + x for x in t.split("\n")] + [""]
    return "\n".join(L)


@shape("changelog", .8, True)
def s_changelog(c):
    r = c.r
    L = ["# Changelog", ""]
    v = [r.randint(0, 5), r.randint(0, 9)]
    for t in c.texts(r.randint(1, 6)):
        L += [f"## [{v[0]}.{v[1]}.{r.randint(0, 9)}] - {when(r).date()}", f"### {pick(r, ['Added', 'Fixed', 'Changed', 'Removed', 'Security'])}", "- " + t, "- " + c.slot(pick(r, COMMITS)), ""]
        v[1] += 1
    return "\n".join(L)


@shape("kubectl", .7)
def s_kube(c):
    r = c.r
    L = [f"Name:         {pick(r, MODULES)}-{hexid(r, 9)}", f"Namespace:    {pick(r, TOPICS)}", f"Annotations:  description: {one(c.slot(pick(r, COMMITS)))}", f"Status:       {pick(r, ['Running', 'Pending', 'Failed'])}", "Events:", "  Type     Reason     Age   Message"]
    for t in c.texts(r.randint(2, 7)):
        L.append(f"  {pick(r, ['Normal', 'Warning']):8} {pick(r, ['Pulled', 'Started', 'BackOff', 'Killing']):10} {r.randint(1, 59)}m   {one(t)}")
    return "\n".join(L)


@shape("man_page", .7)
def s_man(c):
    r = c.r
    n = pick(r, VERBS) + pick(r, NOUNS)
    L = [f"{n.upper()}(1){'User Commands':^40}{n.upper()}(1)", "", "NAME", f"       {n} - {one(c.slot(pick(r, TITLES).lower()))}", "", "DESCRIPTION"]
    for p in c.paras():
        L += [wrap(p, 78, "       "), ""]
    L += ["OPTIONS"]
    for o in some(r, VERBS, 1, 4):
        L += [f"       --{o}", wrap(one(c.fill()), 78, "              "), ""]
    return "\n".join(L)


# --------------------------------------------------------------------------- source code

@shape("diff", 1.4)
def s_diff(c):
    r = c.r
    f = f"src/{pick(r, MODULES)}.py"
    L = [f"diff --git a/{f} b/{f}", f"index {hexid(r, 7)}..{hexid(r, 7)} 100644", f"--- a/{f}", f"+++ b/{f}"]
    for t in c.texts(r.randint(1, 5)):
        L.append(f"@@ -{r.randint(1, 400)},{r.randint(3, 9)} +{r.randint(1, 400)},{r.randint(3, 9)} @@ def {pick(r, VERBS)}_{pick(r, NOUNS)}():")
        L.append(f"     {pick(r, NOUNS)} = {pick(r, VERBS)}({pick(r, NOUNS)})")
        s = pick(r, "+++- ")
        L.append(lc(s + "    # ", one(t), 96))
        L.append(f"-    return {pick(r, NOUNS)}")
        L.append(f"+    return {pick(r, NOUNS)}  # {one(c.slot(pick(r, CODEC)))}")
    return "\n".join(L)


@shape("patch_mail", .7, True)
def s_patch(c):
    r = c.r
    n = name(r)
    L = [f"From {hexid(r, 40)} Mon Sep 17 00:00:00 2001", f"From: {n} <{email(r, n)}>", f"Subject: [PATCH {r.randint(1, 3)}/3] {one(c.slot(pick(r, COMMITS)))}", ""]
    L += [wrap(p, 74) + "\n" for p in c.paras()]
    f = pick(r, MODULES)
    return "\n".join(L + ["---", f" {f}.c | {r.randint(1, 40)} ++--", f"@@ -{r.randint(1, 90)},4 +{r.randint(1, 90)},5 @@", f"-\tint n = {f}_{pick(r, VERBS)}(0);", f"+\tint n = {f}_{pick(r, VERBS)}(1); /* {bc(one(c.slot(pick(r, CODEC))))} */"])


def py_doc(t):
    return t.replace('"""', "'''")


@shape("python", 1.5)
def s_py(c):
    r = c.r
    tx = c.texts(r.randint(1, 6))
    L = []
    if r.random() < .6:
        L += ['"""' + py_doc(c.slot(f"Helpers for {pick(r, TOPICS)}.")) + '"""']
    L += [f"import {pick(r, ['json', 'os', 're', 'csv', 'logging'])}", ""]
    for t in tx:
        a, b = pick(r, VERBS), pick(r, NOUNS)
        k = r.randrange(4)
        L.append(f"\ndef {a}_{b}({b}, limit={r.randint(1, 99)}):")
        if k == 0:
            L.append(wrap('"""' + py_doc(t) + '"""', 92, "    "))
        elif k == 1:
            L.append(lc("    # ", t, 88))
        elif k == 2:
            L.append(f"    logging.{pick(r, ['info', 'warning', 'error'])}({json.dumps(one(t), ensure_ascii=False)})")
        else:
            L.append(f"    message = {json.dumps(t, ensure_ascii=False)}")
        L += [f"    for x in {b}[:limit]:  # {one(c.slot(pick(r, CODEC)))}", f"        {pick(r, VERBS)}(x)", f"    return {b}"]
    return "\n".join(L)


@shape("c_like", 1.8)
def s_clike(c):
    r = c.r
    lang = pick(r, ["js", "java", "c", "rust", "go", "ts"])
    L = []
    if r.random() < .5:
        L += ["/*", *[" * " + bc(x) for x in c.slot(f"{pick(r, MODULES)} module, (c) {company(r)}").split("\n")], " */"]
    L += [{"js": "const fs = require('fs');", "java": f"package com.{pick(r, DOMAINS)}.{pick(r, MODULES)};", "c": "#include <stdio.h>", "rust": "use std::fs;", "go": "package main", "ts": "import { z } from 'zod';"}[lang], ""]
    for t in c.texts(r.randint(1, 6)):
        a, b = pick(r, VERBS), pick(r, NOUNS)
        k = r.randrange(4)
        if k == 0:
            L += ["/**", wrap(bc(one(t)), 88, " * "), " */"]
        elif k == 1:
            L += [lc({"rust": "/// "}.get(lang, "// "), one(t), 92)]
        L.append({"js": f"function {a}{b.title()}({b}) {{", "ts": f"export function {a}{b.title()}({b}: string[]): void {{", "java": f"    public void {a}{b.title()}(List<String> {b}) {{",
                  "c": f"int {a}_{b}(const char *{b}) {{", "rust": f"pub fn {a}_{b}({b}: &str) -> u32 {{", "go": f"func {a}{b.title()}({b} []string) error {{"}[lang])
        if k >= 2:
            p = {"js": "console.log", "ts": "console.warn", "java": "log.info", "c": "printf", "rust": "println!", "go": "fmt.Println"}[lang]
            L.append(f"    {p}({json.dumps(one(t), ensure_ascii=False)}){'' if lang == 'go' else ';'}")
        L += [f"    return {r.randint(0, 9)}; // {one(c.slot(pick(r, CODEC)))}", "}", ""]
    return "\n".join(L)


@shape("sql_script", 1)
def s_sql(c):
    r = c.r
    t0 = pick(r, NOUNS)
    L = [lc("-- ", c.slot(pick(r, CODEC))), f"CREATE TABLE {t0} (id INT PRIMARY KEY, label VARCHAR(200), remark TEXT);"]
    for i, t in enumerate(c.texts(r.randint(1, 7))):
        if r.random() < .35:
            L.append(lc("-- ", one(t), 92))
            L.append(f"SELECT id FROM {t0} WHERE id > {r.randint(1, 99)};")
        else:
            L.append(f"INSERT INTO {t0} VALUES ({i + 1}, '{one(c.slot(pick(r, TITLES))) .replace(chr(39), chr(39) * 2)}', '{one(t).replace(chr(39), chr(39) * 2)}');")
    return "\n".join(L)


@shape("shell_script", 1)
def s_sh(c):
    r = c.r
    L = [pick(r, ["#!/bin/sh", "#!/usr/bin/env bash"]), pick(r, ["set -e", "set -euo pipefail"]), lc("# ", c.slot(f"{pick(r, VERBS)} {pick(r, NOUNS)} every night"))]
    q = lambda t: "'" + one(t).replace("'", "'\\''") + "'"
    for t in c.texts(r.randint(1, 6)):
        if r.random() < .55:
            L.append(lc("# ", one(t), 88))
        else:
            L.append("echo " + q(t))
        L.append(pick(r, [f"cp -r {pick(r, MODULES)}/ /var/out/{pick(r, NOUNS)}", f"tar czf {pick(r, NOUNS)}.tgz {pick(r, MODULES)}", f"{pick(r, VERBS)}_{pick(r, NOUNS)} \"$1\"", "sleep 1"]))
    return "\n".join(L)


@shape("dockerfile_ci", .8)
def s_docker(c):
    r = c.r
    L = []
    if r.random() < .5:
        L = [f"FROM {pick(r, ['python:3.11-slim', 'node:20', 'debian:12', 'rust:1.80'])}", f"LABEL description={json.dumps(one(c.slot(pick(r, TITLES))), ensure_ascii=False)}", "WORKDIR /app"]
        for t in c.texts(r.randint(1, 4)):
            L += [lc("# ", one(t), 90), pick(r, ["COPY . .", "RUN make build", "RUN apt-get update", "EXPOSE 8080", "ENV LANG=C.UTF-8"])]
        return "\n".join(L)
    L = [f"name: {pick(r, ['ci', 'release', 'docs'])}", "on: [push]", "jobs:", f"  {pick(r, VERBS)}:", "    runs-on: ubuntu-latest", "    steps:", "      - uses: actions/checkout@v4"]
    for t in c.texts(r.randint(1, 4)):
        L += [f"      - name: {json.dumps(one(t), ensure_ascii=False)}", f"        run: make {pick(r, VERBS)}  # {one(c.slot(pick(r, CODEC)))}"]
    return "\n".join(L)


# --------------------------------------------------------------------------- rendering

_WEIGHTS = None


def _norm_nl(t):
    return t.replace("\r\n", "\n").replace("\r", "\n")


def _render(f, outer, seed, items, **kw):
    c = Ctx(random.Random(seed), items, **kw)
    if outer:
        pre = c.slot("")
    t = f(c)
    if outer:
        post = c.slot("")
        sep = "\n\n" if c.r.random() < .6 else "\n"
        t = (pre + sep if pre else "") + t + (sep + post if post else "")
    # encoders that escape non-ASCII spell the marks out
    marks = r"\\+u(e[0-9a-f]{3}|f[0-8][0-9a-f]{2})" if kw.get("probe") else r"\\+u(e00[01])"
    return re.sub(marks, lambda m: chr(int(m[1], 16)), t)


def document(rng, body_sentences, planted, shape_name=None):
    """One document in a random shape; with `planted`, that text stands at the returned span.

    The span covers the planted text as rendered (escaped, quoted or wrapped as the format
    demands). `rng` moves by the same amount with and without planted text, and for one state
    of it both renderings agree in all but the planted text."""
    global _WEIGHTS
    if _WEIGHTS is None or len(_WEIGHTS) != len(SHAPES):
        _WEIGHTS = [s[2] for s in SHAPES]
    seed = rng.getrandbits(64)
    d = random.Random(seed ^ 0x5EED)
    sh = d.choices(SHAPES, _WEIGHTS)[0]
    if shape_name is not None:
        sh = next(s for s in SHAPES if s[0] == shape_name)
    _, f, _, outer = sh
    items = [[_norm_nl(s)] for s in body_sentences] or [[pick(d, FILLERS)]]
    # now and then a body sentence stands where planted text also may: in a comment, a title, an alt text
    spare = items.pop(d.randrange(len(items)))[0] if len(items) > 2 and d.random() < .35 else None
    live = sorted({ord(x) - PROBE for x in _render(f, outer, seed, items, probe=True) if PROBE <= ord(x) < 0xF900})
    if not live:
        items += [[spare]] if spare is not None else []
        spare = None
    spare_slot = pick(d, live or [None])
    in_body, k, before, mode, slot = d.random() < .5, d.randrange(len(items)), d.random() < .4, pick(d, ["replace", "replace", "before", "after"]), d.random()
    plant = where = None
    if planted is not None:
        mark = M0 + _norm_nl(planted).strip() + M1
        plant = mark
        if in_body or not live:
            items = [list(x) for x in items]
            items[k].insert(0 if before else 1, mark)
        else:
            where = live[int(slot * len(live))]
    t = _render(f, outer, seed, items, plant=plant, where=where, spare=spare, spare_slot=spare_slot, mode=mode)
    a = t.find(M0)
    if planted is None or a < 0:
        if planted is not None:
            raise AssertionError(f"shape {sh[0]} lost the planted text")
        return t, None
    b = t.find(M1, a)
    if b < 0 or t.count(M0) != 1 or t.count(M1) != 1:
        raise AssertionError(f"shape {sh[0]} rendered the planted text not exactly once")
    head, mid, tail = t[:a], t[a + 1:b], t[b + 1:]
    return head + mid + tail, (len(head), len(head) + len(mid))


# --------------------------------------------------------------------------- self-check

def _unjson(t):
    m = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\", "/": "/", ",": ",", ";": ";"}

    def f(x):
        return chr(int(x[2], 16)) if x[2] else m.get(x[1], x[0])
    s = re.sub(r"\\(u([0-9a-fA-F]{4})|.)", lambda x: f(x), t)
    return s.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _words(t):
    return re.findall(r"\w+", t.lower())


def _forms(t):
    yield t
    yield _unjson(t)
    yield html.unescape(t)
    yield _unjson(html.unescape(t))
    yield re.sub(r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}", " ", t).replace("\\", "")


def _holds(text, want):
    """Whether `text`, un-escaped in one of the known ways, has the words of `want` in a row."""
    w = " " + " ".join(_words(want)) + " "
    return any(w in " " + " ".join(_words(x)) + " " for x in _forms(text))


def _selfcheck(count=3000):
    import os
    import sys
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "texts", "orders.json"), encoding="utf-8") as f:
        fam = json.load(f)
    bad = ["tool_orders", "exfil_orders", "addressed_orders", "fake_system", "side_tasks", "output_hijack"]
    good = fam["human_requests"] + fam["neutral_sentences"]
    rng = random.Random(7)
    full = short = 0
    lost = {}
    for i in range(count):
        body = rng.sample(good, rng.randint(1, 12))
        if i % 3 == 0:
            p = rng.choice(fam[rng.choice(bad)])
        elif i % 3 == 1:
            p = rng.choice(fam["addressed_orders"]) + "\n\n" + rng.choice(fam["exfil_orders"])
        else:
            p = 'Note: "' + rng.choice(fam["tool_orders"]) + "\"\nIt's a 100% 'must' & <b>urgent</b> – {now} \\ $5_# */ --> \"\"\" é 你好 🙂"
        seed = rng.getrandbits(40)
        nm = SHAPES[i % len(SHAPES)][0] if i % 2 else None
        r1, r2 = random.Random(seed), random.Random(seed)
        clean, none = document(r1, body, None, nm)
        text, span = document(r2, body, p, nm)
        assert none is None and M0 not in clean and M1 not in clean
        assert M0 not in text and M1 not in text and r1.getstate() == r2.getstate()
        again, span2 = document(random.Random(seed), body, p, nm)
        assert (again, span2) == (text, span), "not deterministic"
        a, b = span
        assert 0 <= a < b <= len(text)
        seg = text[a:b]
        w4 = " ".join(_words(p)[:4])
        if _holds(seg, p) or seg == p:
            full += 1
        else:
            short += 1
            assert _holds(seg, w4), (nm, seg, p)
        cl = [" ".join(_words(x)) for x in _forms(clean)]
        for s in body:
            if not any(" ".join(_words(s)[:3]) in x for x in cl):
                lost.setdefault(nm, []).append(s)
    print(f"{count} documents: planted text whole after un-escaping in {full}, by its first words in {short}; body sentences not found verbatim: {sum(map(len, lost.values()))}")
    if lost:
        print({k: (len(v), v[0]) for k, v in lost.items()}, file=sys.stderr)
    for nm, *_ in SHAPES:
        r = random.Random(nm)
        t, (a, b) = document(r, r.sample(good, 2), r.choice(fam["tool_orders"]), nm)
        print(f"\n===== {nm}  [{a}:{b}]\n" + (t[:a] + "⟦" + t[a:b] + "⟧" + t[b:])[:1100])
    print(f"\n{len(SHAPES)} shapes")


if __name__ == "__main__":
    _selfcheck()
