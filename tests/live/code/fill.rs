// The same as fill.c in Rust.
use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

mod catalog {
    #[inline(never)]
    pub fn load(rows: &mut Vec<Vec<u8>>, count: u8) {
        for value in 0..count {
            rows.push(vec![value + 1; 30000]);
        }
    }

    #[inline(never)]
    pub fn cache(rows: &mut Vec<Vec<u8>>) {
        rows.push(vec![9; 30000]);
    }
}

fn main() {
    let mut rows = Vec::new();
    for turn in 0.. {
        catalog::load(&mut rows, 3);
        catalog::cache(&mut rows);
        black_box(&rows);
        if turn == (8 << 20) / 120000 || turn == (60 << 20) / 120000 {
            sleep(Duration::from_millis(500));
        }
    }
}
