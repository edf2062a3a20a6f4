//! Pictures as SVG text: no fonts, scripts or files from elsewhere, a title and a description for who cannot see them, and
//! colours for light and dark.

mod phase;
mod plot;

pub use phase::phase_portrait;
pub use plot::recurrence_plot;

/// Width and height of the square that is drawn into, and its margins.
const SIDE: f64 = 400.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 40.0;
const WIDTH: f64 = LEFT + SIDE + 24.0;
const HEIGHT: f64 = TOP + SIDE + 56.0;

/// What surrounds the drawing.
struct Frame<'a> {
    /// Distinguishes the pictures of one page.
    name: &'a str,
    title: &'a str,
    description: &'a str,
    /// Name, lowest and highest value of each axis.
    across: (&'a str, f64, f64),
    up: (&'a str, f64, f64),
}

impl Frame<'_> {
    /// The document around a drawing whose origin is the upper left corner of the square.
    fn around(&self, drawing: &str) -> String {
        let Self { name, .. } = self;
        let (title, description) = (escaped(self.title), escaped(self.description));
        let (bottom, right) = (TOP + SIDE, LEFT + SIDE);
        let (middle_x, middle_y) = (LEFT + SIDE / 2.0, TOP + SIDE / 2.0);
        let ((across, x_low, x_high), (up, y_low, y_high)) = (self.across, self.up);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" class="{name}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title {name}-description">
<title id="{name}-title">{title}</title>
<desc id="{name}-description">{description}</desc>
<style>
.{name} {{ --ink: #1f2328; --quiet: #59636e; --mark: #0b57a4; background: #ffffff; font: 13px system-ui, sans-serif; }}
@media (prefers-color-scheme: dark) {{ .{name} {{ --ink: #f0f3f6; --quiet: #a9b4c0; --mark: #79b8ff; background: #0d1117; }} }}
.{name} text {{ fill: var(--ink); }}
.{name} .frame {{ fill: none; stroke: var(--quiet); }}
.{name} .line {{ fill: none; stroke: var(--mark); stroke-width: 0.8; stroke-linejoin: round; }}
.{name} .dots {{ fill: none; stroke: var(--mark); stroke-width: 2; stroke-linecap: round; }}
.{name} .cells {{ fill: var(--mark); }}
</style>
<text x="{middle_x}" y="24" text-anchor="middle" font-weight="600">{title}</text>
<rect class="frame" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>
<g transform="translate({LEFT} {TOP})">
{drawing}
</g>
<text x="{LEFT}" y="{below}">{x_low}</text>
<text x="{right}" y="{below}" text-anchor="end">{x_high}</text>
<text x="{middle_x}" y="{label_y}" text-anchor="middle">{across}</text>
<text x="{beside}" y="{bottom}" text-anchor="end">{y_low}</text>
<text x="{beside}" y="{first}" text-anchor="end">{y_high}</text>
<text x="20" y="{middle_y}" text-anchor="middle" transform="rotate(-90 20 {middle_y})">{up}</text>
</svg>
"##,
            below = bottom + 18.0,
            label_y = bottom + 40.0,
            beside = LEFT - 6.0,
            first = TOP + 12.0,
            x_low = number(x_low),
            x_high = number(x_high),
            y_low = number(y_low),
            y_high = number(y_high),
        )
    }
}

/// Three significant digits; very large and very small numbers with an exponent.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no way to write other control characters.
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
        check(0.0, "0");
        check(0.123_456, "0.123");
        check(-12.345, "-12.3");
        check(1234.5, "1234");
        check(1.5e9, "1.50e9");
        check(-2e-7, "-2.00e-7");
    }

    #[test]
    fn markup_in_a_title_is_text() {
        assert_eq!(escaped("<b a=\"1\">&\u{1}"), "&lt;b a=&quot;1&quot;&gt;&amp; ");
    }
}
