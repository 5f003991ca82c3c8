//! The recipients of a broadcast.

use super::DenseHandle;

/// The recipients of a broadcast, each once; a buffer to be used again and again.
///
/// It remembers whom it has met in one 32-bit mark per socket, and forgets all of them at once by counting on, so
/// that nothing is hashed and nothing is cleared. It keeps its memory: 4 bytes per socket of the namespace, and one
/// handle per recipient of the largest broadcast.
#[derive(Debug, Clone)]
pub struct Recipients<S> {
    slots: Vec<S>,
    marks: Vec<u32>,
    /// The mark of the selection that is being made; older ones mean nothing.
    epoch: u32,
}

impl<S: DenseHandle> Recipients<S> {
    /// An empty buffer without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new(), marks: Vec::new(), epoch: 0 }
    }

    /// The recipients that were selected last.
    #[must_use]
    pub fn slots(&self) -> &[S] {
        &self.slots
    }

    /// Starts a selection among sockets with indexes below `n_sockets`.
    pub(super) fn begin(&mut self, n_sockets: usize) {
        self.slots.clear();
        if self.marks.len() < n_sockets {
            self.marks.resize(n_sockets, 0);
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.marks.fill(0);
            self.epoch = 1;
        }
    }

    /// Starts a selection in which nobody can be met twice.
    pub(super) fn begin_unmarked(&mut self) {
        self.slots.clear();
    }

    /// Leaves a socket out from now on.
    pub(super) fn exclude(&mut self, slot: S) {
        if let Some(mark) = self.marks.get_mut(slot.index()) {
            *mark = self.epoch;
        }
    }

    /// Adds a socket unless it is left out or was added before.
    pub(super) fn add(&mut self, slot: S) {
        if let Some(mark) = self.marks.get_mut(slot.index())
            && *mark != self.epoch
        {
            *mark = self.epoch;
            self.slots.push(slot);
        }
    }

    /// Adds sockets that cannot have been met before.
    pub(super) fn add_unmarked(&mut self, slots: impl Iterator<Item = S>) {
        self.slots.extend(slots);
    }
}

impl<S: DenseHandle> Default for Recipients<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_end_of_the_count() {
        let mut recipients = Recipients { slots: Vec::new(), marks: vec![u32::MAX, 1], epoch: u32::MAX };
        recipients.begin(2);
        recipients.add(0);
        recipients.add(1);
        assert_eq!(recipients.slots(), [0, 1]);
    }
}
