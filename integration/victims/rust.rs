// Hash maps are seeded with getrandom, threads take their own, and a child runs.
use std::collections::HashMap;
use std::process::{exit, Command};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

fn main() {
    let threads: Vec<_> = (0..8)
        .map(|i| {
            thread::spawn(move || {
                let mut m = HashMap::new();
                for k in 0..1000 {
                    m.insert(k * i, k);
                }
                m.values().map(|v| *v as u64).max().unwrap()
            })
        })
        .collect();
    let sum: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    println!("sum {}", sum);
    let before = Instant::now();
    thread::sleep(Duration::from_millis(2));
    println!("time goes on {}", before.elapsed() >= Duration::from_millis(2));
    println!("clock {}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok());
    let out = Command::new("sh").args(["-c", "echo child; exit 4"]).output().unwrap();
    println!("{:?} {:?}", String::from_utf8_lossy(&out.stdout), out.status.code());
    println!("{:?}", Command::new("/no/such/program").output().map(|_| ()).map_err(|e| e.kind()));
    std::panic::set_hook(Box::new(|p| println!("panicked: {}", p.payload().is::<String>())));
    let caught = std::panic::catch_unwind(|| {
        let v: Vec<i32> = Vec::new();
        v[std::env::args().count()]
    });
    println!("panic caught {}", caught.is_err());
    exit(8);
}
