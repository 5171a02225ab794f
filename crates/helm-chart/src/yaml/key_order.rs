//! The order of keys in written YAML: go-yaml's natural comparison and Go's `sort.Sort`. The
//! comparison is no total order, so the outcome depends on the algorithm and that is Go's, too.

/// Which generation of go-yaml compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    V2,
    V3,
}

/// Sorts entries by key.
///
/// Go iterates its maps in random order, so where the comparison is contradictory Helm's own output
/// varies; starting from byte order makes ours stable.
pub(super) fn sort_entries<T>(entries: &mut [(&str, T)], generation: Generation) {
    if entries.len() < 2 {
        return;
    }
    let bytewise = |a: &&str, b: &&str| a < b;
    if entries
        .iter()
        .all(|(key, _)| key.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        // Letters alone compare by code point, which is a total order.
        entries.sort_unstable_by_key(|(key, _)| *key);
        return;
    }
    if !entries
        .windows(2)
        .all(|pair| bytewise(&pair[0].0, &pair[1].0))
    {
        entries.sort_unstable_by_key(|(key, _)| *key);
    }
    GoSort {
        entries,
        less: |a, b| less(a, b, generation),
    }
    .sort();
}

/// Whether `a` is written before `b`.
fn less(a: &str, b: &str, generation: Generation) -> bool {
    let shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    // Back to a character boundary, as characters are compared.
    let shared = (0..=shared)
        .rev()
        .find(|at| a.is_char_boundary(*at) && b.is_char_boundary(*at));
    let shared = shared.unwrap_or_default();
    let (Some(left), Some(right)) = (a[shared..].chars().next(), b[shared..].chars().next()) else {
        return a.len() < b.len();
    };
    let letters = (
        left.is_alphabetic() && !is_letter_number(left),
        right.is_alphabetic() && !is_letter_number(right),
    );
    match (letters, generation) {
        ((true, true), _) => return left < right,
        ((true, false) | (false, true), Generation::V2) => return letters.1,
        ((true, false) | (false, true), Generation::V3) => {
            return if ends_in_digit(&a[..shared]) {
                letters.0
            } else {
                letters.1
            };
        }
        ((false, false), _) => {}
    }
    let mut seed = 0;
    if left == '0' || right == '0' {
        let before = a[..shared].chars().rev().take_while(|c| c.is_numeric());
        seed = i64::from(before.into_iter().any(|c| c != '0'));
    }
    let (left_number, left_end) = digits(&a[shared..], seed);
    let (right_number, right_end) = digits(&b[shared..], seed);
    if left_number != right_number {
        return left_number < right_number;
    }
    if left_end != right_end {
        return left_end < right_end;
    }
    left < right
}

/// Roman numerals and their like: alphabetic for Unicode, no letters for Go's `unicode.IsLetter`.
fn is_letter_number(character: char) -> bool {
    matches!(character, '\u{2160}'..='\u{2188}' | '\u{3007}' | '\u{3021}'..='\u{3029}')
}

fn ends_in_digit(text: &str) -> bool {
    text.bytes()
        .next_back()
        .is_some_and(|byte| byte.is_ascii_digit())
}

fn digits(text: &str, seed: i64) -> (i64, usize) {
    let mut number = seed;
    let mut count = 0;
    for digit in text.bytes().take_while(u8::is_ascii_digit) {
        number = number
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit - b'0'));
        count += 1;
    }
    (number, count)
}

/// Go's `sort.Sort` (pattern-defeating quicksort, Go 1.19 and later).
struct GoSort<'e, 'k, T, L: Fn(&str, &str) -> bool> {
    entries: &'e mut [(&'k str, T)],
    less: L,
}

enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

impl<T, L: Fn(&str, &str) -> bool> GoSort<'_, '_, T, L> {
    fn less(&self, i: usize, j: usize) -> bool {
        (self.less)(self.entries[i].0, self.entries[j].0)
    }

    fn swap(&mut self, i: usize, j: usize) {
        self.entries.swap(i, j);
    }

    fn sort(&mut self) {
        let length = self.entries.len();
        let limit = usize::BITS - length.leading_zeros();
        self.quicksort(0, length, limit);
    }

    fn insertion_sort(&mut self, a: usize, b: usize) {
        for i in a + 1..b {
            let mut j = i;
            while j > a && self.less(j, j - 1) {
                self.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn sift_down(&mut self, low: usize, high: usize, first: usize) {
        let mut root = low;
        loop {
            let mut child = 2 * root + 1;
            if child >= high {
                return;
            }
            if child + 1 < high && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.swap(first + root, first + child);
            root = child;
        }
    }

    fn heap_sort(&mut self, a: usize, b: usize) {
        let high = b - a;
        for i in (0..=(high.saturating_sub(1)) / 2).rev() {
            self.sift_down(i, high, a);
        }
        for i in (0..high).rev() {
            self.swap(a, a + i);
            self.sift_down(0, i, a);
        }
    }

    fn quicksort(&mut self, mut a: usize, mut b: usize, mut limit: u32) {
        let mut was_balanced = true;
        let mut was_partitioned = true;
        loop {
            let length = b - a;
            if length <= 12 {
                self.insertion_sort(a, b);
                return;
            }
            if limit == 0 {
                self.heap_sort(a, b);
                return;
            }
            if !was_balanced {
                self.break_patterns(a, b);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(a, b);
            if matches!(hint, Hint::Decreasing) {
                self.reverse_range(a, b);
                pivot = (b - 1) - (pivot - a);
                hint = Hint::Increasing;
            }
            if was_balanced
                && was_partitioned
                && matches!(hint, Hint::Increasing)
                && self.partial_insertion_sort(a, b)
            {
                return;
            }
            if a > 0 && !self.less(a - 1, pivot) {
                a = self.partition_equal(a, b, pivot);
                continue;
            }
            let (middle, already_partitioned) = self.partition(a, b, pivot);
            was_partitioned = already_partitioned;
            let (left, right) = (middle - a, b - middle);
            let threshold = length / 8;
            if left < right {
                was_balanced = left >= threshold;
                self.quicksort(a, middle, limit);
                a = middle + 1;
            } else {
                was_balanced = right >= threshold;
                self.quicksort(middle + 1, b, limit);
                b = middle;
            }
        }
    }

    fn partition(&mut self, a: usize, b: usize, pivot: usize) -> (usize, bool) {
        self.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        while i <= j && self.less(i, a) {
            i += 1;
        }
        while i <= j && !self.less(j, a) {
            j -= 1;
        }
        if i > j {
            self.swap(j, a);
            return (j, true);
        }
        self.swap(i, j);
        i += 1;
        j -= 1;
        loop {
            while i <= j && self.less(i, a) {
                i += 1;
            }
            while i <= j && !self.less(j, a) {
                j -= 1;
            }
            if i > j {
                break;
            }
            self.swap(i, j);
            i += 1;
            j -= 1;
        }
        self.swap(j, a);
        (j, false)
    }

    fn partition_equal(&mut self, a: usize, b: usize, pivot: usize) -> usize {
        self.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        loop {
            while i <= j && !self.less(a, i) {
                i += 1;
            }
            while i <= j && self.less(a, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    fn partial_insertion_sort(&mut self, a: usize, b: usize) -> bool {
        const MAX_STEPS: usize = 5;
        const SHORTEST_SHIFTING: usize = 50;
        let mut i = a + 1;
        for _ in 0..MAX_STEPS {
            while i < b && !self.less(i, i - 1) {
                i += 1;
            }
            if i == b {
                return true;
            }
            if b - a < SHORTEST_SHIFTING {
                return false;
            }
            self.swap(i, i - 1);
            if i - a >= 2 {
                for j in (1..i).rev() {
                    if !self.less(j, j - 1) {
                        break;
                    }
                    self.swap(j, j - 1);
                }
            }
            if b - i >= 2 {
                for j in i + 1..b {
                    if !self.less(j, j - 1) {
                        break;
                    }
                    self.swap(j, j - 1);
                }
            }
        }
        false
    }

    fn break_patterns(&mut self, a: usize, b: usize) {
        let length = b - a;
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let modulus = 1_usize << (usize::BITS - length.leading_zeros());
        let index = a + (length / 4) * 2 - 1;
        for i in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = random as usize & (modulus - 1);
            if other >= length {
                other -= length;
            }
            self.swap(index - 1 + i, a + other);
        }
    }

    fn choose_pivot(&mut self, a: usize, b: usize) -> (usize, Hint) {
        let length = b - a;
        let mut swaps = 0;
        let quarter = length / 4;
        let (mut left, mut pivot, mut right) = (a + quarter, a + quarter * 2, a + quarter * 3);
        if length >= 8 {
            if length >= 50 {
                left = self.median(left - 1, left, left + 1, &mut swaps);
                pivot = self.median(pivot - 1, pivot, pivot + 1, &mut swaps);
                right = self.median(right - 1, right, right + 1, &mut swaps);
            }
            pivot = self.median(left, pivot, right, &mut swaps);
        }
        match swaps {
            0 => (pivot, Hint::Increasing),
            12 => (pivot, Hint::Decreasing),
            _ => (pivot, Hint::Unknown),
        }
    }

    fn median(&self, first: usize, second: usize, third: usize, swaps: &mut usize) -> usize {
        let (low, middle) = self.ordered(first, second, swaps);
        let (middle, _) = self.ordered(middle, third, swaps);
        self.ordered(low, middle, swaps).1
    }

    fn ordered(&self, a: usize, b: usize, swaps: &mut usize) -> (usize, usize) {
        if self.less(b, a) {
            *swaps += 1;
            return (b, a);
        }
        (a, b)
    }

    fn reverse_range(&mut self, a: usize, b: usize) {
        self.entries[a..b].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::{Generation, sort_entries};

    fn check(wanted: &[&str]) {
        let mut entries: Vec<(&str, ())> = wanted.iter().rev().map(|key| (*key, ())).collect();
        sort_entries(&mut entries, Generation::V2);
        assert_eq!(
            entries.iter().map(|(key, ())| *key).collect::<Vec<_>>(),
            wanted
        );
    }

    #[test]
    fn keys_sort_naturally() {
        check(&[
            "", "-x", "_y", "1", "2", "10", "A", "Z", "a", "a b", "a-b", "a.b", "a/b", "a_b", "ab",
        ]);
        check(&["a1", "a01", "a001", "a2", "a10"]);
        check(&["a10b", "a1b2"]);
    }

    #[test]
    fn long_lists_survive_the_port_of_quicksort() {
        let keys: Vec<String> = (0..500)
            .map(|number| format!("k{}", (number * 7919) % 500))
            .collect();
        let mut entries: Vec<(&str, ())> = keys.iter().map(|key| (key.as_str(), ())).collect();
        sort_entries(&mut entries, Generation::V2);
        let numbers: Vec<usize> = entries
            .iter()
            .map(|(key, ())| key[1..].parse().unwrap())
            .collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}
