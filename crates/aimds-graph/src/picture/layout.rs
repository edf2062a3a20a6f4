//! Where the boxes go: columns from cause to effect.

use std::collections::HashMap;

use crate::answer::Subgraph;
use crate::model::NodeId;

/// The column and the row of each node, in the nodes' order.
///
/// The column is the length of the longest way of causes to the node; rows follow the names. Nodes in a circle of causes
/// stand one after the other by name. O(nodes · edges) at worst, for pictures that a person looks at.
pub(super) fn places(subgraph: &Subgraph) -> Vec<(usize, usize)> {
    let numbers: HashMap<&NodeId, usize> =
        subgraph.nodes.iter().enumerate().map(|(number, node)| (&node.id, number)).collect();
    let causal = subgraph.edges.iter().filter(|edge| edge.kind.is_causal());
    let ends = causal.filter_map(|edge| Some((*numbers.get(edge.cause())?, *numbers.get(edge.effect())?)));
    let columns = columns(subgraph.nodes.len(), &ends.collect::<Vec<_>>());
    let mut rows: HashMap<usize, usize> = HashMap::new();
    let row = |column: usize| {
        let next = rows.entry(column).or_default();
        *next += 1;
        (column, *next - 1)
    };
    columns.into_iter().map(row).collect()
}

/// Takes away, again and again, the nodes that no remaining node causes (Kahn); where there is none, the first that is left.
fn columns(count: usize, ends: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; count];
    let mut left: Vec<usize> = (0..count).collect();
    while !left.is_empty() {
        let is_caused =
            |node: &usize| ends.iter().any(|(cause, effect)| effect == node && left.contains(cause));
        let free: Vec<usize> = left.iter().copied().filter(|node| !is_caused(node)).collect();
        let now = if free.is_empty() { left.iter().copied().take(1).collect() } else { free };
        left.retain(|node| !now.contains(node));
        for &(cause, effect) in
            ends.iter().filter(|(cause, effect)| now.contains(cause) && left.contains(effect))
        {
            let after = columns.get(cause).map_or(0, |column| column + 1);
            if let Some(column) = columns.get_mut(effect) {
                *column = after.max(*column);
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_stand_right_of_all_their_causes_and_circles_end() {
        assert_eq!(columns(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [0, 1, 2, 3]);
        assert_eq!(columns(3, &[(0, 1), (1, 2), (2, 0)]), [0, 1, 2]);
        assert_eq!(columns(3, &[]), [0, 0, 0]);
        assert_eq!(columns(0, &[]), [0; 0]);
    }
}
