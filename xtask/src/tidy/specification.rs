//! SPECIFICATION.md: a number without the command that measured it and the day it did is an opinion.

use super::Problem;

/// Every row of every table has a command, as inline code, and a date.
pub(super) fn check(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_table = false;
    for (number, line) in text.lines().enumerate() {
        let row = line.trim();
        if !row.starts_with('|') {
            in_table = false;
        } else if is_rule(row) {
            in_table = true;
        } else if in_table {
            let lacks = [(!has_command(row), "a command"), (!has_date(row), "a date (YYYY-MM-DD)")];
            let lacks: Vec<_> = lacks.into_iter().filter_map(|(lacks, what)| lacks.then_some(what)).collect();
            if !lacks.is_empty() {
                let what = format!("a row needs {}", lacks.join(" and "));
                problems.push(Problem::new(path, number + 1, what));
            }
        }
    }
    problems
}

/// The line between a table's head and its rows.
fn is_rule(row: &str) -> bool {
    row.contains('-') && row.chars().all(|c| "|-: ".contains(c))
}

fn has_command(row: &str) -> bool {
    row.split('`').skip(1).step_by(2).any(|code| !code.trim().is_empty()) && row.matches('`').count() >= 2
}

fn has_date(row: &str) -> bool {
    let shape = |window: &[u8]| {
        window
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
    };
    row.as_bytes().windows(10).any(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_need_a_command_and_a_date() {
        let head = "| what | value | how | when |\n|---|--:|---|---|\n";
        for (rows, lines) in [
            ("| a | 1 | `aimds bench` | 2026-11-22 |", vec![]),
            ("| a | 1 | aimds bench | 2026-11-22 |", vec![3]),
            ("| a | 1 | `` | 2026-11-22 |", vec![3]),
            ("| a | 1 | `aimds bench` | yesterday |", vec![3]),
            ("| a | 1 | `x` | 2026-11-22 |\n| b | 1 | | |\n\ntext | with | bars", vec![4]),
        ] {
            let found: Vec<_> =
                check("SPECIFICATION.md", &format!("{head}{rows}")).iter().map(|p| p.line).collect();
            assert_eq!(found, lines, "{rows}");
        }
        assert_eq!(check("SPECIFICATION.md", "| not | a | table |\n"), []);
    }
}
