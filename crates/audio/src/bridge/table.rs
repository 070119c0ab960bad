//! A table of slots whose names are never given twice.

/// Index and generation of a slot.
pub(super) type Name = (u32, u32);

pub(super) struct Table<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn add(&mut self, value: T) -> Name {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        match self.slots.get_mut(index as usize) {
            Some((generation, slot)) => {
                *slot = Some(value);
                (index, *generation)
            }
            // 2^32 slots do not fit into memory.
            None => (u32::MAX, u32::MAX),
        }
    }

    pub(super) fn get(&self, (index, generation): Name) -> Option<&T> {
        let (current, slot) = self.slots.get(index as usize)?;
        if *current == generation { slot.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, (index, generation): Name) -> Option<&mut T> {
        let (current, slot) = self.slots.get_mut(index as usize)?;
        if *current == generation { slot.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, (index, generation): Name) -> Option<T> {
        let (current, slot) = self.slots.get_mut(index as usize)?;
        if *current != generation {
            return None;
        }
        let value = slot.take()?;
        // A slot whose generations are used up is given up.
        if let Some(next) = current.checked_add(1) {
            *current = next;
            self.free.push(index);
        }
        Some(value)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, slot)| slot.as_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.iter().filter(|(_, slot)| slot.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_given_twice() {
        let mut table = Table::new();
        let first = table.add('a');
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        let second = table.add('b');
        assert_ne!(first, second);
        assert_eq!((table.get(first), table.get(second), table.len()), (None, Some(&'b'), 1));
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.get((99, 0)), None);
    }

    #[test]
    fn a_slot_without_generations_left_is_given_up() {
        let mut table = Table::new();
        table.add('a');
        table.slots[0].0 = u32::MAX;
        assert_eq!(table.remove((0, u32::MAX)), Some('a'));
        assert_eq!(table.add('b'), (1, 0));
    }
}
