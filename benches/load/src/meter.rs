//! Counters and clocks of the measured window, and the result line.

use crate::args::Args;
use crate::sys::{Hist, Snap, now, rss_kb};

/// Ends the run: the server did something wrong (or stalled), so it must not score.
pub(crate) fn wrong(msg: &str) -> ! {
    println!("{{\"error\":{:?}}}", msg);
    std::process::exit(2)
}

/// Counters and clocks of the measured window.
pub(crate) struct Meter {
    pub(crate) ops: u64,
    pub(crate) hist: Hist,
    pub(crate) idle_ns: u64,
    pub(crate) sends: u64,
    pub(crate) recvs: u64,
    pub(crate) t_begin: u64,
    begin: Option<Snap>,
    warm_end: u64,
    end: u64,
    last_ops: u64,
    last_progress: u64,
    rss_start: u64,
    rss_conn: u64,
    pub(crate) setup_ns: u64,
    /// among which the memory is divided
    pub(crate) conns: usize,
    pub(crate) extra: String,
    pub(crate) note: String,
}

impl Meter {
    pub(crate) fn new(a: &Args) -> Meter {
        let (rss, _) = rss_kb(a.pid);
        Meter {
            ops: 0,
            hist: Hist::new(),
            idle_ns: 0,
            sends: 0,
            recvs: 0,
            t_begin: 0,
            begin: None,
            warm_end: 0,
            end: 0,
            last_ops: 0,
            last_progress: now(),
            rss_start: rss,
            rss_conn: 0,
            setup_ns: 0,
            conns: a.conns,
            extra: String::new(),
            note: String::new(),
        }
    }
    /// Called once per loop turn while connections are being opened.
    pub(crate) fn check_setup(&self, t: u64, ready: usize) {
        if t.saturating_sub(self.setup_ns) > 120_000_000_000 {
            wrong(&format!("setup stalled at {ready} connections"));
        }
    }
    /// All connections stand: note the memory and start the warm-up.
    pub(crate) fn go(&mut self, a: &Args) {
        self.rss_conn = rss_kb(a.pid).0;
        self.warm_end = now() + (a.warmup * 1e9) as u64;
        self.last_progress = now();
    }
    /// Called once per loop turn; true when the window is over.
    pub(crate) fn tick(&mut self, a: &Args, t: u64, stall_s: u64) -> bool {
        if self.ops != self.last_ops {
            self.last_ops = self.ops;
            self.last_progress = t;
        } else if t - self.last_progress > stall_s * 1_000_000_000 {
            wrong(&format!("stalled: no progress for {stall_s} s after {} ops{}", self.ops, self.note));
        }
        if self.warm_end == 0 {
            return false;
        }
        if self.begin.is_none() {
            if t >= self.warm_end {
                self.ops = 0;
                self.last_ops = 0;
                self.hist = Hist::new();
                self.idle_ns = 0;
                self.sends = 0;
                self.recvs = 0;
                self.begin = Some(Snap::take(a));
                self.t_begin = now();
                self.end = self.t_begin + (a.secs * 1e9) as u64;
            }
            return false;
        }
        t >= self.end
    }
    /// The window's result as one JSON line. The caller prints it after it has seen that no reply is missing.
    pub(crate) fn finish(&mut self, a: &Args, unit: &str) -> String {
        if self.ops == 0 {
            wrong(&format!("no {unit} in the whole window{}", self.note));
        }
        let t1 = now();
        let e = Snap::take(a);
        let b = self.begin.take().unwrap();
        let secs = (t1 - self.t_begin) as f64 / 1e9;
        let ops = self.ops;
        let tick_us = 1e6 / 100.0;
        let cpu_us = (e.srv_ticks - b.srv_ticks) as f64 * tick_us;
        let (rss, hwm) = rss_kb(a.pid);
        let busy0 = (e.cpu_busy[0] - b.cpu_busy[0]) as f64 * 1e4;
        let busy1 = (e.cpu_busy[1] - b.cpu_busy[1]) as f64 * 1e4;
        let gen_us = (e.self_us - b.self_us) as f64;
        let kids = self.conns.max(1) as f64;
        format!(
            "{{\"work\":\"{}\",\"unit\":\"{unit}\",\"conns\":{},\"ops\":{ops},\"secs\":{secs:.4},\"ops_per_s\":{:.1},\
             \"cpu_us_per_op\":{:.4},\"cpu_us_per_op_sched\":{:.4},\"server_cpu_pct\":{:.2},\"server_user_pct\":{:.2},\
             \"p50_us\":{:.1},\"p99_us\":{:.1},\"max_us\":{:.1},\
             \"gen_busy_pct\":{:.1},\"gen_cpu_pct\":{:.1},\"sends_per_op\":{:.4},\"recvs_per_op\":{:.4},\
             \"foreign_cpu0_pct\":{:.1},\"foreign_cpu1_pct\":{:.1},\"steal_pct\":{:.2},\
             \"rss_start_kb\":{},\"rss_conn_kb\":{},\"rss_end_kb\":{rss},\"rss_peak_kb\":{hwm},\"rss_per_conn_kb\":{:.3},\
             \"setup_s\":{:.3}{}}}",
            a.work,
            a.conns,
            ops as f64 / secs,
            cpu_us / ops.max(1) as f64,
            (e.srv_ns - b.srv_ns) as f64 / 1e3 / ops.max(1) as f64,
            cpu_us / (secs * 1e4),
            (e.srv_user - b.srv_user) as f64 * tick_us / (secs * 1e4),
            self.hist.q(0.5) / 1e3,
            self.hist.q(0.99) / 1e3,
            self.hist.max as f64 / 1e3,
            100.0 * (1.0 - self.idle_ns as f64 / (t1 - self.t_begin) as f64),
            gen_us / (secs * 1e4),
            self.sends as f64 / ops.max(1) as f64,
            self.recvs as f64 / ops.max(1) as f64,
            (busy0 - cpu_us) / (secs * 1e4),
            (busy1 - gen_us) / (secs * 1e4),
            (e.steal - b.steal) as f64 * 1e4 / (secs * 1e4),
            self.rss_start,
            self.rss_conn,
            (self.rss_conn as f64 - self.rss_start as f64) / kids,
            self.setup_ns as f64 / 1e9,
            self.extra,
        )
    }
}

/// The window is over: nothing more is sent, and what is outstanding must still come before the result counts.
pub(crate) struct Drain {
    line: String,
    give_up: u64,
}

impl Drain {
    pub(crate) fn new(line: String, t: u64) -> Drain {
        Drain { line, give_up: t + 2_000_000_000 }
    }
    /// True when nothing is missing; the result is printed then.
    pub(crate) fn is_over(&self, missing: u64, t: u64) -> bool {
        if missing == 0 {
            println!("{}", self.line);
        } else if t > self.give_up {
            wrong(&format!("{missing} replies or deliveries never came"));
        }
        missing == 0
    }
}
