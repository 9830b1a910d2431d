use std::hint::black_box;
use std::io::Write;

mod shop {
    pub struct Catalog {
        pub rows: Vec<u64>,
    }

    pub trait Fill {
        fn fill(&mut self);
    }

    impl Fill for Catalog {
        #[inline(never)]
        fn fill(&mut self) {
            for row in self.rows.iter_mut() {
                *row = super::black_box(*row * 31 + 7);
            }
        }
    }
}

#[inline(never)]
fn load(catalog: &mut shop::Catalog) {
    use shop::Fill;
    for _ in 0..1000 {
        catalog.fill();
    }
    black_box(catalog);
}

fn main() {
    println!("ready");
    std::io::stdout().flush().unwrap();
    let mut catalog = shop::Catalog { rows: vec![1; 1 << 10] };
    loop {
        load(&mut catalog);
    }
}
