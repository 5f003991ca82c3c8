//! Clocks, /proc readings and a histogram.

use crate::args::Args;

#[inline]
pub(crate) fn now() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to `ts`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

pub(crate) fn raise_nofile() {
    let mut r = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit to `r`, then reads it.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut r);
        r.rlim_cur = r.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &r);
    }
}

fn read(p: &str) -> String {
    std::fs::read_to_string(p).unwrap_or_default()
}

/// (VmRSS, VmHWM) in KiB.
pub(crate) fn rss_kb(pid: i32) -> (u64, u64) {
    let s = read(&format!("/proc/{pid}/status"));
    let f = |k: &str| {
        s.lines()
            .find(|l| l.starts_with(k))
            .and_then(|l| l.split_whitespace().nth(1))
            .and_then(|v| v.parse().ok())
            .unwrap_or(0)
    };
    (f("VmRSS:"), f("VmHWM:"))
}

pub(crate) struct Snap {
    pub(crate) srv_ticks: u64,
    pub(crate) srv_user: u64,
    pub(crate) srv_ns: u64,
    pub(crate) self_us: u64,
    pub(crate) cpu_busy: [u64; 2],
    pub(crate) steal: u64,
}

impl Snap {
    pub(crate) fn take(a: &Args) -> Snap {
        let stat = read(&format!("/proc/{}/stat", a.pid));
        let f: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let n = |i: usize| f.get(i).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        let (ut, st) = (n(11), n(12));
        let mut srv_ns = 0;
        if let Ok(d) = std::fs::read_dir(format!("/proc/{}/task", a.pid)) {
            for e in d.flatten() {
                let s = read(&format!("{}/schedstat", e.path().display()));
                srv_ns += s.split_whitespace().next().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        // SAFETY: all of rusage is integers, for which zero is a value.
        let mut ru: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one rusage to `ru`.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut ru) };
        let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
        let all = read("/proc/stat");
        let cpu = |c: usize| -> Vec<u64> {
            let k = format!("cpu{c} ");
            all.lines()
                .find(|l| l.starts_with(&k))
                .map(|l| l.split_whitespace().skip(1).map(|v| v.parse().unwrap_or(0)).collect())
                .unwrap_or(vec![0; 10])
        };
        let (s, o) = (cpu(a.server_cpu), cpu(1 - a.server_cpu.min(1)));
        let busy = |v: &Vec<u64>| v[0] + v[1] + v[2] + v[5] + v[6];
        Snap {
            srv_ticks: ut + st,
            srv_user: ut,
            srv_ns,
            self_us: us(ru.ru_utime) + us(ru.ru_stime),
            cpu_busy: [busy(&s), busy(&o)],
            steal: s[7] + o[7],
        }
    }
}

/// Log-linear histogram of nanoseconds: 64 steps per power of two (under 1.6 % error).
pub(crate) struct Hist {
    b: Vec<u32>,
    pub(crate) n: u64,
    pub(crate) max: u64,
}
impl Hist {
    pub(crate) fn new() -> Hist {
        Hist { b: vec![0; 64 * 60], n: 0, max: 0 }
    }
    #[inline]
    pub(crate) fn add(&mut self, ns: u64) {
        let v = ns.max(64);
        let e = 63 - v.leading_zeros() as u64;
        let i = ((e - 6) * 64 + ((v >> (e - 6)) & 63)) as usize;
        self.b[i] += 1;
        self.n += 1;
        if ns > self.max {
            self.max = ns
        }
    }
    pub(crate) fn q(&self, q: f64) -> f64 {
        if self.n == 0 {
            return 0.0;
        }
        let want = ((self.n as f64) * q).ceil() as u64;
        let mut c = 0;
        for (i, x) in self.b.iter().enumerate() {
            c += *x as u64;
            if c >= want {
                let e = (i / 64) as u64 + 6;
                let m = (i % 64) as u64 + 64;
                return ((m << (e - 6)) + (1 << (e - 6)) / 2) as f64;
            }
        }
        self.max as f64
    }
}
