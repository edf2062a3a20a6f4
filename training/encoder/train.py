"""Trains the encoder. Runs on a GPU in minutes, on two cores in hours.

    python3 train.py ARRAYS.npz WEIGHTS.npz OUT --plan PLAN.json

A plan is a list of runs; see `RUN` for what a run can say. Every run writes the logits of each row of each evaluation set
(and of the rows that it left out) to OUT/<name>.npz, and the weights as half floats where `save` is set.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np
import torch
from torch.nn import functional as F

from base import dequantise
from model import HEADS, Encoder

WINDOW = 126  # tokens of a window, beside the two marks
STRIDE = 94

RUN = {
    "name": "",
    "layers": [0, 2, 4, 6, 8, 11],
    "distil": 0,  # passes in which the layers learn to give the hidden states of the whole base
    "epochs": 3,
    "rows": 160_000,  # rows drawn for each epoch
    "rate": 2e-4,
    "batch": 32_768,  # tokens
    "leave_out": [],  # families of sources
    "teacher": "",  # an earlier run whose logits are learnt beside the labels
    "drop": [],  # earlier runs whose verdicts on rows that they left out tell label noise
    "temper": 0.5,
    "documents": 3.0,  # how much composed documents count beside other sources
    "ema": 0.998,
    "until": math.inf,  # not started later than this, in seconds
    "attacks": 0.45,
    "token": 0.2,
    "dropout": 0.1,
    "blank": 0.05,
    "seed": 1,
    "save": False,
}

# Families of sources, by the beginnings of their names; `../families.json` also says which are left out together.
FAMILIES = json.loads((Path(__file__).parent.parent / "families.json").read_text())["families"]

# Sources whose labels are known to be noisy.
DOUBTFUL_ATTACKS = ("neuralchemy", "aisafetylab_results", "hivetracered", "jailbench", "atr_")
DOUBTFUL_BENIGN = ("neuralchemy", "jailbreakhub", "ko_redteam", "atr_rules_tn")


def families(source, base):
    """The families that a row belongs to, by its source and by what it was composed of."""
    if source.startswith("composed:"):
        return set()
    names = [source, *base.split("+")]
    return {family for family, marks in FAMILIES.items() if any(n.startswith(m) for n in names for m in marks)}


class Rows:
    """One set: tokens flat on the device, a table of windows, the windows of row r from `first[r]` to `first[r + 1]`."""

    def __init__(self, arrays, name, device):
        get = lambda key: arrays[f"{name}.{key}"]
        self.tokens = torch.from_numpy(get("tokens").astype(np.int32)).to(device)
        offsets, spans = get("offsets").astype(np.int64), get("spans").astype(np.int64)
        self.attack, self.weights = get("attack"), get("weights").astype(np.float32)
        self.source, self.base, self.category, self.id = get("source"), get("base"), get("category"), get("id")
        self.length = np.diff(offsets)
        number = np.maximum(1, -(-(self.length - WINDOW) // STRIDE) + 1)
        self.first = np.concatenate([[0], np.cumsum(number)])
        self.owner = np.repeat(np.arange(len(number)), number)
        begin = (np.arange(len(self.owner)) - self.first[self.owner]) * STRIDE
        self.start = offsets[self.owner] + begin
        self.size = np.minimum(WINDOW, self.length[self.owner] - begin)
        self.marks = spans[self.owner] - begin[:, None]
        self.near = (self.marks[:, 0] < self.size) & (self.marks[:, 1] > 0)
        marked = spans[:, 1] > spans[:, 0]
        # Where it is known which tokens are the attack's: marked rows, and benign ones, which have none.
        self.known = marked | ~self.attack
        self.most = np.where(marked, 6, np.where(self.attack, 8, 3))

    def __len__(self):
        return len(self.length)

    def pick(self, rng):
        """Some windows of each row, those that hold the attack first: CSR of window numbers."""
        key = rng.random(len(self.owner)) - 2.0 * self.near
        order = np.lexsort((key, self.owner))
        rank = np.arange(len(order)) - self.first[self.owner[order]]
        order = np.sort(order[rank < self.most[self.owner[order]]])
        first = np.concatenate([[0], np.cumsum(np.bincount(self.owner[order], minlength=len(self)))])
        return first, order


def spread(first, rows):
    """Positions first[r]..first[r + 1] of every r of `rows`, and which of `rows` each belongs to."""
    count = first[rows + 1] - first[rows]
    owner = np.repeat(np.arange(len(rows)), count)
    at = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return first[rows][owner] + at, owner


class Batch:
    """Windows of some rows, padded."""

    def __init__(self, rows, group, windows, owner, device):
        self.group = group
        to = lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)
        start, length = to(rows.start[windows]), to(rows.size[windows])
        width = min(WINDOW + 2, (int(rows.size[windows].max()) + 2 + 7) // 8 * 8)
        at = torch.arange(width, device=device)[None] - 1
        inside = (at >= 0) & (at < length[:, None])
        ids = rows.tokens[(start[:, None] + at.clamp(min=0)).clamp(max=len(rows.tokens) - 1)].long()
        ids = torch.where(inside, ids, torch.ones_like(ids))
        ids[:, 0] = 0
        ids.scatter_(1, length[:, None] + 1, 2)
        self.ids, self.inside = ids, inside
        self.present = at < length[:, None] + 1
        self.owner, self.number = to(owner), len(group)
        marks = to(rows.marks[windows])
        self.marked = (at >= marks[:, :1]) & (at < marks[:, 1:]) & inside
        self.known = to(rows.known[group][owner].astype(np.float32))
        self.target = to(rows.attack[group].astype(np.float32))[:, None].expand(-1, HEADS)
        self.weights = to(rows.weights[group])

    def highest(self, logits):
        """Of the windows of each row."""
        out = torch.full((self.number, HEADS), -1e4, device=logits.device, dtype=logits.dtype)
        return out.scatter_reduce(0, self.owner[:, None].expand(-1, HEADS), logits, "amax")


def batches(rows, order, tokens, rng, training, device):
    """Rows of like length together, at most `tokens` padded tokens each."""
    first, picked = rows.pick(rng) if training else (rows.first, np.arange(len(rows.owner)))
    longest = np.minimum(rows.length, WINDOW) // 8
    if training:
        order = rng.permutation(order)
        # Rows of one length are neighbours, but only within a stretch, so that batches differ from epoch to epoch.
        order = order[np.lexsort((longest[order], np.arange(len(order)) // 40_000))]
    else:
        order = order[np.argsort(longest[order], kind="stable")]
    cost = (first[order + 1] - first[order]) * (np.minimum(rows.length[order], WINDOW) // 8 * 8 + 16)
    cuts = np.flatnonzero(np.diff(np.cumsum(cost) // tokens)) + 1
    groups = np.split(order, cuts)
    for at in rng.permutation(len(groups)) if training else range(len(groups)):
        if len(groups[at]):
            places, owner = spread(first, groups[at])
            yield Batch(rows, groups[at], picked[places], owner, device)


def ahead(batches, number=6):
    """The same, made by a thread beside."""
    queue, end = Queue(number), object()

    def work():
        for batch in batches:
            queue.put(batch)
        queue.put(end)

    Thread(target=work, daemon=True).start()
    while (batch := queue.get()) is not end:
        yield batch


class Trainer:
    def __init__(self, arrays, weights, out, device):
        self.device, self.out = device, out
        self.weights = weights
        scales, nibbles = weights["emb.scales"], weights["emb.nibbles"]
        self.words = torch.from_numpy(dequantise(scales, nibbles)).to(device, torch.bfloat16 if device == "cuda" else torch.float32)
        self.sets = {name: Rows(arrays, name, device) for name in sorted({key.split(".")[0] for key in arrays if "." in key})}
        self.train = self.sets.pop("train")
        self.families = [families(s, b) for s, b in zip(self.train.source, self.train.base)]

    def model(self, layers):
        w = self.weights
        width, heads, inner, positions = (int(n) for n in w["settings"])
        model = Encoder(width, heads, inner, len(layers), WINDOW + 2, 1e-12)
        put = lambda p, array: p.data.copy_(torch.from_numpy(np.asarray(array, np.float32)).view_as(p))
        put(model.positions, w["emb.pos"][: WINDOW + 2])
        put(model.eln.weight, w["emb.ln.w"])
        put(model.eln.bias, w["emb.ln.b"])
        for layer, source in zip(model.layers, layers):
            for name in ("q", "k", "v", "ao", "fi", "fo"):
                put(getattr(layer, name).weight, dequantise(w[f"l{source}.{name}.w.scales"], w[f"l{source}.{name}.w.nibbles"]))
                put(getattr(layer, name).bias, w[f"l{source}.{name}.b"])
            for name in ("aln", "oln"):
                put(getattr(layer, name).weight, w[f"l{source}.{name}.w"])
                put(getattr(layer, name).bias, w[f"l{source}.{name}.b"])
        return model.to(self.device)

    def cast(self):
        return torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")

    def draw(self, run, rng, kept):
        """Rows for one epoch: sources count as their size to the power `temper`, attacks as `attacks` of all."""
        sizes = {}
        key = lambda row: (self.train.source[row], bool(self.train.attack[row]))
        for row in kept:
            sizes[key(row)] = sizes.get(key(row), 0) + 1
        share = np.array([sizes[key(row)] ** (run["temper"] - 1) for row in kept])
        # Documents with and without orders are few sources and the whole matter of the second head.
        share[np.char.startswith(self.train.source[kept], "composed:planted")] *= run["documents"]
        share[self.train.source[kept] == "composed:plain-document"] *= run["documents"]
        attack = self.train.attack[kept]
        share[attack] *= run["attacks"] / share[attack].sum()
        share[~attack] *= (1 - run["attacks"]) / share[~attack].sum()
        expected = share * run["rows"]
        # Whole repeats, and the rest by chance.
        number = np.floor(expected) + (rng.random(len(kept)) < expected - np.floor(expected))
        return np.repeat(kept, np.minimum(number, 6).astype(int))

    def noise(self, runs):
        """Rows of doubtful sources whose label a model that never saw the source contradicts clearly; written to noise.json."""
        found = {}
        for run in runs:
            if not (self.out / f"{run}.npz").exists():
                continue
            done = np.load(self.out / f"{run}.npz")
            for row, logits in zip(done["held"], done["held.logits"].astype(np.float32)):
                source = self.train.source[row]
                if self.train.attack[row] and source.startswith(DOUBTFUL_ATTACKS) and logits.max() < -4.5:
                    found[int(row)] = (source, "attack", float(logits.max()))
                if not self.train.attack[row] and source.startswith(DOUBTFUL_BENIGN) and logits[0] > 3.5:
                    found[int(row)] = (source, "benign", float(logits[0]))
        (self.out / "noise.json").write_text(json.dumps(found))
        counts = {}
        for source, label, _ in found.values():
            counts[source, label] = counts.get((source, label), 0) + 1
        print("  label noise left out:", counts, flush=True)
        return set(found)

    def steps(self, order, run):
        """About how many batches an epoch of `order` has."""
        rows = self.train
        number = np.minimum(rows.first[order + 1] - rows.first[order], rows.most[order])
        return math.ceil((number * (np.minimum(rows.length[order], WINDOW) // 8 * 8 + 16)).sum() / run["batch"])

    def schedule(self, optimiser, rates, step, steps):
        warm = 0.06 * steps
        factor = step / warm if step < warm else max(0.05, (steps - step) / (steps - warm))
        for group, rate in zip(optimiser.param_groups, rates):
            group["lr"] = rate * factor

    def distil(self, model, run, rng):
        """Fewer layers learn to give what all twelve give (hidden states, as MiniLM was made itself)."""
        teacher = self.model(range(12)).eval()
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
        order = np.arange(len(self.train))
        steps = run["distil"] * self.steps(order, run)
        step = 0
        for _ in range(run["distil"]):
            for batch in ahead(batches(self.train, order, run["batch"], rng, True, self.device)):
                words = self.words[batch.ids]
                self.schedule(optimiser, [4e-4], min(step, steps), steps)
                with self.cast():
                    with torch.no_grad():
                        goal = teacher.hidden(words, batch.present)
                    found = model.hidden(words, batch.present)
                    loss = (F.mse_loss(found.float(), goal.float(), reduction="none").mean(2) * batch.present).sum() / batch.present.sum()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                step += 1
        print(f"  distilled: loss {loss.item():.4f} after {step} steps", flush=True)

    def run(self, settings):
        run = {**RUN, **settings}
        begin = time.time()
        torch.manual_seed(run["seed"])
        rng = np.random.default_rng(run["seed"])
        cached = Path(tempfile.gettempdir()) / f"distilled-{'-'.join(map(str, run['layers']))}.pt"
        model = self.model(run["layers"])
        if run["distil"]:
            if cached.exists():
                model.load_state_dict(torch.load(cached))
            else:
                self.distil(model, run, rng)
                torch.save(model.state_dict(), cached)
        left = set(run["leave_out"])
        dropped = self.noise(run["drop"]) if run["drop"] else set()
        kept = np.array([r for r in range(len(self.train)) if not self.families[r] & left and r not in dropped])
        held = np.array([r for r in range(len(self.train)) if self.families[r] & left and r not in dropped], int)
        teacher = None
        if run["teacher"]:
            teacher = torch.from_numpy(np.load(self.out / f"{run['teacher']}.npz")["train"].astype(np.float32)).to(self.device)
        order = self.draw(run, rng, kept)
        fresh = [p for n, p in model.named_parameters() if n.split(".")[0] in ("weigh", "dense", "out", "token")]
        old = [p for n, p in model.named_parameters() if n.split(".")[0] not in ("weigh", "dense", "out", "token")]
        optimiser = torch.optim.AdamW([{"params": old}, {"params": fresh}], lr=run["rate"], weight_decay=0.01)
        steps, step = None, 0
        average = {name: p.detach().clone() for name, p in model.named_parameters()}
        for epoch in range(run["epochs"]):
            order = self.draw(run, rng, kept)
            model.train()
            total, count = 0.0, 0
            steps = steps or run["epochs"] * self.steps(order, run)
            for batch in ahead(batches(self.train, order, run["batch"], rng, True, self.device)):
                self.schedule(optimiser, [run["rate"], run["rate"] * 5], min(step, steps), steps)
                loss = self.loss(model, run, batch, teacher)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                step += 1
                decay = min(run["ema"], step / (step + 10))
                torch._foreach_lerp_(list(average.values()), [p.detach() for p in model.parameters()], 1 - decay)
                total, count = total + loss.detach(), count + 1
            print(f"  {run['name']} epoch {epoch}: loss {(total / count).item():.4f}, {step}/{steps} steps, {time.time() - begin:.0f} s", flush=True)
        model.load_state_dict(average)
        model.eval()
        found = {name: self.logits(model, rows, np.arange(len(rows))) for name, rows in self.sets.items()}
        if len(held):
            found["held"], found["held.logits"] = held, self.logits(model, self.train, held)
        if run["save"]:
            found["train"] = self.logits(model, self.train, np.arange(len(self.train)))
            state = {n: p.detach().float().cpu().numpy().astype(np.float16) for n, p in model.state_dict().items()}
            self.save(run["name"], state)
        np.savez_compressed(self.out / f"{run['name']}.npz", **found)
        self.report(run, found)
        print(f"  {run['name']} done in {time.time() - begin:.0f} s", flush=True)

    def save(self, name, state):
        """In parts of less than 15 MB."""
        part, size, number = {}, 0, 0
        for key, array in state.items():
            if size + array.nbytes > 14_000_000:
                np.savez(self.out / f"{name}.weights{number}.npz", **part)
                part, size, number = {}, 0, number + 1
            part[key] = array
            size += array.nbytes
        np.savez(self.out / f"{name}.weights{number}.npz", **part)

    def loss(self, model, run, batch, teacher):
        target, weights = batch.target, batch.weights
        ids = batch.ids
        if run["blank"]:
            blank = (torch.rand(ids.shape, device=self.device) < run["blank"]) & batch.inside
            ids = torch.where(blank, torch.full_like(ids, 3), ids)
        with self.cast():
            logits, tokens = model(self.words[ids], batch.present, run["dropout"])
        logits, tokens = logits.float(), tokens.float()
        highest = batch.highest(logits)
        loss = (F.binary_cross_entropy_with_logits(highest, target, reduction="none") * weights).mean()
        if teacher is not None:
            goal = torch.sigmoid(teacher[torch.as_tensor(batch.group, device=self.device)])
            loss = 0.5 * loss + 0.5 * F.binary_cross_entropy_with_logits(highest, goal, reduction="none").mean()
        if run["token"]:
            goal = batch.marked[:, :, None].float().expand(-1, -1, HEADS)
            each = F.binary_cross_entropy_with_logits(tokens, goal, reduction="none") * weights[batch.owner][:, None]
            counts = batch.inside[:, :, None] * batch.known[:, None, None]
            loss = loss + run["token"] * (each * counts).sum() / counts.sum().clamp(min=1)
        return loss

    @torch.no_grad()
    def logits(self, model, rows, order):
        out = np.zeros((len(order), HEADS), np.float16)
        place = np.zeros(len(rows), int)
        place[order] = np.arange(len(order))
        for batch in ahead(batches(rows, order, 131_072, np.random.default_rng(0), False, self.device)):
            with self.cast():
                logits, _ = model(self.words[batch.ids], batch.present)
            out[place[batch.group]] = batch.highest(logits.float()).cpu().numpy()
        return out

    def report(self, run, found):
        dev = self.sets["dev"]
        benign = ~dev.attack
        documents = benign & np.isin(dev.category, ["benign_document", "benign_code", "hard_negative"])
        thresholds = [np.quantile(found["dev"][benign, 0].astype(np.float32), 0.99), np.quantile(found["dev"][documents, 1].astype(np.float32), 0.98)]
        share = lambda logits, head: float((logits[:, head] >= thresholds[head]).mean()) if len(logits) else float("nan")
        print(f"  {run['name']} dev tpr {share(found['dev'][dev.attack], 0):.3f} {share(found['dev'][dev.attack], 1):.3f}")
        if len(found.get("held", [])):
            lines, rates = [], []
            source = self.train.source[found["held"]]
            attack = self.train.attack[found["held"]]
            for family in run["leave_out"]:
                mask = attack & np.array([any(s.startswith(m) for m in FAMILIES[family] if m != "composed_indirect") for s in source])
                if mask.sum() >= 20:
                    rates.append(share(found["held.logits"][mask], 0))
                    lines.append(f"{family} {rates[-1]:.3f}/{share(found['held.logits'][mask], 1):.3f} ({mask.sum()})")
            print(f"  {run['name']} held out: macro {np.mean(rates):.3f}; " + ", ".join(lines))
        for name in self.sets:
            if name in ("dev",):
                continue
            rows = self.sets[name]
            for source in sorted(set(rows.source)):
                for label in (True, False):
                    mask = (rows.source == source) & (rows.attack == label)
                    if mask.any():
                        print(f"    {name} {source} {'attack' if label else 'benign'} {mask.sum()}: {share(found[name][mask], 0):.3f} {share(found[name][mask], 1):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays")
    parser.add_argument("weights")
    parser.add_argument("out", type=Path)
    parser.add_argument("--plan", type=Path, required=True)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    begin = time.time()
    arrays = dict(np.load(arguments.arrays))
    trainer = Trainer(arrays, dict(np.load(arguments.weights)), arguments.out, device)
    print(f"{device}: {len(trainer.train)} rows, {int(trainer.train.length.sum())} tokens, loaded in {time.time() - begin:.0f} s", flush=True)
    for settings in json.loads(arguments.plan.read_text()):
        if time.time() - begin > settings.get("until", math.inf):
            print(f"{settings['name']} left out: time is up", flush=True)
            continue
        trainer.run(settings)


if __name__ == "__main__":
    main()
