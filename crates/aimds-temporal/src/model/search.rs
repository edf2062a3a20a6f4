//! Whether the product has a cycle on which no eventuality is put off for ever.
//!
//! Couvreur's algorithm (1999): strongly connected components are found as in Tarjan's (1972), each with the eventualities
//! that some edge inside of it fulfils. As soon as these are all, the search ends. Linear in the edges; the stacks are
//! vectors, so that long models cannot exhaust the stack of the thread.

use super::Exhausted;
use super::product::{Cursor, Edge, Product};

const UNSEEN: u32 = 0;
const OPEN: u32 = u32::MAX;

/// What a search found.
pub(super) enum Found {
    /// No such cycle: every cycle stays inside of one component, and puts off the component's eventuality for ever.
    Empty(Components),
    /// The places that lie on cycles together, by number.
    Accepting(Vec<bool>),
}

/// The strongly connected components, numbered such that edges lead to smaller or equal numbers.
pub(super) struct Components {
    /// Of each place.
    pub(super) of: Vec<u32>,
    /// For each, an eventuality that every edge inside of it puts off; `None` if there is no edge inside.
    pub(super) put_off: Vec<Option<u32>>,
}

/// A component as far as it is known.
struct Root {
    /// The smallest number of its places, by discovery.
    number: u32,
    /// Eventualities that some edge inside fulfils.
    fulfilled: u64,
    /// The same for the edge that led to it.
    entered_by: u64,
    /// Whether it has an edge inside.
    cyclic: bool,
}

struct Frame {
    place: u32,
    cursor: Cursor,
}

struct Search<'p, 'a> {
    product: &'p mut Product<'a>,
    /// By discovery, from 1.
    numbers: Vec<u32>,
    seen: u32,
    components: Components,
    roots: Vec<Root>,
    /// Places whose component is not complete, by discovery.
    live: Vec<u32>,
    frames: Vec<Frame>,
}

pub(super) fn search(product: &mut Product<'_>) -> Result<Found, Exhausted> {
    let initial = product.initial()?;
    let mut search = Search {
        product,
        numbers: Vec::new(),
        seen: 0,
        components: Components { of: Vec::new(), put_off: Vec::new() },
        roots: Vec::new(),
        live: Vec::new(),
        frames: Vec::new(),
    };
    for place in initial {
        if search.number(place) == UNSEEN {
            search.enter(Edge { to: place, fulfilled: 0 });
        }
        if let Some(root) = search.run()? {
            return Ok(Found::Accepting(search.members(root)));
        }
    }
    Ok(Found::Empty(search.components))
}

impl Search<'_, '_> {
    /// Searches until all is seen that can be reached, or a component has an accepting cycle: then its root.
    fn run(&mut self) -> Result<Option<u32>, Exhausted> {
        while let Some(frame) = self.frames.last_mut() {
            let place = frame.place;
            let Some(edge) = self.product.edge(place, &mut frame.cursor)? else {
                self.frames.pop();
                self.leave(place);
                continue;
            };
            match self.number(edge.to) {
                UNSEEN => self.enter(edge),
                number if self.is_live(edge.to) => {
                    if let Some(root) = self.merge(number, edge.fulfilled) {
                        return Ok(Some(root));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn number(&self, place: u32) -> u32 {
        self.numbers.get(place as usize).copied().unwrap_or(UNSEEN)
    }

    fn is_live(&self, place: u32) -> bool {
        self.components.of.get(place as usize) == Some(&OPEN)
    }

    fn enter(&mut self, edge: Edge) {
        self.seen += 1;
        let place = edge.to as usize;
        if place >= self.numbers.len() {
            self.numbers.resize(place + 1, UNSEEN);
            self.components.of.resize(place + 1, OPEN);
        }
        if let Some(number) = self.numbers.get_mut(place) {
            *number = self.seen;
        }
        let entered_by = edge.fulfilled;
        self.roots.push(Root { number: self.seen, fulfilled: 0, entered_by, cyclic: false });
        self.live.push(edge.to);
        self.frames.push(Frame { place: edge.to, cursor: Cursor::default() });
    }

    /// An edge leads back to the live place `number`: everything since is one component. Its root if it accepts.
    fn merge(&mut self, number: u32, mut fulfilled: u64) -> Option<u32> {
        while let Some(root) = self.roots.pop_if(|root| root.number > number) {
            fulfilled |= root.fulfilled | root.entered_by;
        }
        let all = self.product.all();
        let root = self.roots.last_mut()?;
        root.fulfilled |= fulfilled;
        root.cyclic = true;
        (root.fulfilled == all).then_some(root.number)
    }

    /// All edges of `place` are seen; if it is the root of its component, that is complete.
    fn leave(&mut self, place: u32) {
        let number = self.number(place);
        let Some(root) = self.roots.pop_if(|root| root.number == number) else { return };
        let missing = self.product.all() & !root.fulfilled;
        let component = self.components.put_off.len() as u32;
        self.components.put_off.push(root.cyclic.then(|| missing.trailing_zeros()));
        while let Some(member) = self.live.pop() {
            if let Some(of) = self.components.of.get_mut(member as usize) {
                *of = component;
            }
            if member == place {
                break;
            }
        }
    }

    /// The live places from `root` on.
    fn members(&self, root: u32) -> Vec<bool> {
        let live = |(&number, &of): (&u32, &u32)| of == OPEN && number >= root;
        self.numbers.iter().zip(&self.components.of).map(live).collect()
    }
}
