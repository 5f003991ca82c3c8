//! Echo while broadcasts go out: what a broadcast to many does to everybody else's latency.
//!
//! After a broadcast thousands of sockets are readable at once, and an echo that waits until they have been read shows
//! our speed and not the server's. So the echo clients have an epoll of their own: it is asked after every few events
//! of the others, and an echo is over when its socket is found readable, not when it is read.
//!
//! Echo clients get every broadcast as well, between their replies: each has two things due that know nothing of each
//! other.

use crate::args::Args;
use crate::link::{Clients, Hello, Link, St};
use crate::meter::{Drain, Meter, wrong};
use crate::net::Ep;
use crate::shape::{Delivery, Kind, Shape, emit_frame};
use crate::sys::{Hist, now};

/// The two epolls; the client that broadcasts is in the first.
const LISTENERS: usize = 0;
const ECHOERS: usize = 1;
/// Events of the first that are served before the second has its turn.
const BATCH: usize = 16;
/// The second's id in the first.
const NESTED: usize = usize::MAX;

struct Client {
    link: Link,
    ep: usize,
    /// the broadcast that it awaits
    due: u32,
}

struct Echo {
    frame: Vec<u8>,
    expect: Vec<u8>,
    seq: u32,
    is_out: bool,
    t0: u64,
    /// a broadcast was under way at some time of the round trip
    overlaps: bool,
}

struct Gen {
    a: Args,
    hello: Hello,
    eps: [Ep; 2],
    /// the listeners, the echo clients, and the one that broadcasts
    clients: Vec<Client>,
    echoes: Vec<Echo>,
    shape: Shape,
    delivery: Delivery,
    /// its histogram is that of the round trips that overlap a broadcast
    m: Meter,
    quiet: Hist,
    bcasts: Hist,
    /// the window for which these two count
    t_begin: u64,
    /// when the echo clients that are being served were found readable
    found: u64,
    /// the broadcast that is under way if any delivery is `left`, else the next one
    bseq: u32,
    left: usize,
    t_bcast: u64,
    t_next: u64,
    ready: usize,
    started: bool,
    drain: Option<Drain>,
}

pub(crate) fn run(a: Args) {
    let n = a.conns + a.echoers + 1;
    let is_echoer = |i| i >= a.conns && i + 1 < n;
    let client =
        |i| Client { link: Link::free(), ep: if is_echoer(i) { ECHOERS } else { LISTENERS }, due: 0 };
    let mut m = Meter::new(&a);
    m.conns = n;
    let mut g = Gen {
        hello: Hello::new(a.port),
        eps: [Ep::new(a.block), Ep::new(false)],
        clients: (0..n).map(client).collect(),
        echoes: Vec::new(),
        shape: Shape::default(),
        delivery: Delivery::new("bcast", a.size),
        m,
        quiet: Hist::new(),
        bcasts: Hist::new(),
        t_begin: 0,
        found: 0,
        bseq: 0,
        left: 0,
        t_bcast: 0,
        t_next: 0,
        ready: 0,
        started: false,
        drain: None,
        a,
    };
    for i in 0..g.a.echoers {
        let (frame, expect);
        (g.shape, frame, expect) = Shape::build(Kind::Echo, g.a.size, (g.a.conns + i) as u32);
        g.echoes.push(Echo { frame, expect, seq: 0, is_out: false, t0: 0, overlaps: false });
    }
    if g.a.block {
        g.eps[LISTENERS].nest(&g.eps[ECHOERS], NESTED);
    }
    g.main();
}

impl Gen {
    fn open(&mut self) {
        let ci = self.hello.opens;
        let c = &mut self.clients[ci];
        self.hello.open(&self.eps[c.ep], ci, &mut c.link);
    }
    fn fire(&mut self, i: usize) {
        if self.drain.is_some() {
            return;
        }
        let e = &mut self.echoes[i];
        self.shape.number(&mut e.frame, 0, e.seq);
        e.is_out = true;
        e.overlaps = self.left > 0;
        e.t0 = now();
        let ci = self.a.conns + i;
        self.clients[ci].link.send(&self.eps[ECHOERS], ci, &e.frame);
        self.m.sends += 1;
    }
    fn broadcast(&mut self) {
        let ci = self.clients.len() - 1;
        let f = emit_frame("42[\"bcast\",\"", self.a.size, ci as u32, self.bseq);
        self.echoes.iter_mut().for_each(|e| e.overlaps = true);
        self.left = self.clients.len();
        self.t_bcast = now();
        self.clients[ci].link.send(&self.eps[LISTENERS], ci, &f);
        self.m.sends += 1;
    }
    fn delivered(&mut self, ci: usize, p: &[u8]) {
        let (owner, seq) = self.delivery.read(p);
        let sender = self.clients.len() - 1;
        let c = &mut self.clients[ci];
        if owner as usize != sender || seq != c.due {
            wrong(&format!("delivery of {owner}/{seq} to connection {ci} that awaits {sender}/{}", c.due));
        }
        if seq != self.bseq || self.left == 0 {
            wrong("a delivery too many");
        }
        c.due = seq.wrapping_add(1);
        self.left -= 1;
        if self.left == 0 {
            let t = now();
            self.bcasts.add(t - self.t_bcast);
            self.bseq = c.due;
            self.t_next = t + self.a.pause_ms * 1_000_000;
        }
    }
    fn echoed(&mut self, ci: usize, p: &[u8]) {
        let i = ci.wrapping_sub(self.a.conns);
        let Some(e) = self.echoes.get_mut(i).filter(|e| e.is_out) else {
            wrong(&format!("unexpected message {:.200}", String::from_utf8_lossy(p)))
        };
        self.shape.check(&mut e.expect, e.seq, p);
        e.is_out = false;
        e.seq = e.seq.wrapping_add(1);
        let hist = if e.overlaps { &mut self.m.hist } else { &mut self.quiet };
        hist.add(self.found.saturating_sub(e.t0));
        self.fire(i);
    }
    /// Serves the echo clients that are readable; says how many.
    fn serve_echoers(&mut self, buf: &mut [u8]) -> usize {
        let (n, _, t) = self.eps[ECHOERS].wait(0);
        self.found = t;
        for i in 0..n {
            self.serve(ECHOERS, i, buf);
        }
        n
    }
    fn serve(&mut self, ep: usize, i: usize, buf: &mut [u8]) {
        let e = self.eps[ep].ev[i];
        let ci = e.u64 as usize;
        if ci != NESTED {
            self.m.recvs += self.event(ci, e.events, buf) as u64;
        }
    }
    fn main(&mut self) {
        self.m.setup_ns = now();
        for _ in 0..self.clients.len().min(self.a.inflight) {
            self.open();
        }
        let mut buf = vec![0u8; 1 << 18];
        let mut t = now();
        loop {
            let (n, idle, t1) = self.eps[LISTENERS].wait(t);
            t = t1;
            let mut n_echoers = self.serve_echoers(&mut buf);
            for i in 0..n {
                self.serve(LISTENERS, i, &mut buf);
                if i % BATCH == BATCH - 1 {
                    n_echoers += self.serve_echoers(&mut buf);
                }
            }
            if n_echoers == 0 || self.a.block {
                self.m.idle_ns += idle;
            }
            if n + n_echoers > 0 {
                t = now();
            }
            if !self.started {
                self.m.check_setup(t, self.ready);
                continue;
            }
            if let Some(drain) = &self.drain {
                let missing = self.left + self.echoes.iter().filter(|e| e.is_out).count();
                if drain.is_over(missing as u64, t) {
                    return;
                }
            } else if self.m.tick(&self.a, t, 10) {
                self.drain = Some(Drain::new(self.result(), t));
            } else {
                if self.m.t_begin != self.t_begin {
                    self.t_begin = self.m.t_begin;
                    (self.quiet, self.bcasts) = (Hist::new(), Hist::new());
                }
                if self.left == 0 && t >= self.t_next {
                    self.broadcast();
                }
            }
        }
    }
    fn result(&mut self) -> String {
        if self.bcasts.n == 0 {
            wrong("no broadcast in the whole window");
        }
        let us = |h: &Hist, q| h.q(q) / 1e3;
        self.m.extra = format!(
            ",\"echoers\":{},\"echoes\":{},\"quiet_p50_us\":{:.1},\"quiet_p99_us\":{:.1},\
             \"broadcasts\":{},\"bcast_p50_us\":{:.1},\"bcast_p99_us\":{:.1}",
            self.a.echoers,
            self.m.hist.n + self.quiet.n,
            us(&self.quiet, 0.5),
            us(&self.quiet, 0.99),
            self.bcasts.n,
            us(&self.bcasts, 0.5),
            us(&self.bcasts, 0.99),
        );
        self.m.finish(&self.a, "message")
    }
}

impl Clients for Gen {
    #[inline]
    fn parts(&mut self, ci: usize) -> (&Ep, &Hello, &mut Link) {
        let c = &mut self.clients[ci];
        (&self.eps[c.ep], &self.hello, &mut c.link)
    }
    fn connected(&mut self, ci: usize) {
        self.clients[ci].link.st = St::Ready;
        self.ready += 1;
        if self.hello.opens < self.clients.len() {
            self.open();
        }
        if self.ready == self.clients.len() {
            self.started = true;
            self.m.setup_ns = now() - self.m.setup_ns;
            self.m.go(&self.a);
            for i in 0..self.a.echoers {
                self.fire(i);
            }
        }
    }
    fn reply(&mut self, ci: usize, p: &[u8]) {
        self.m.ops += 1;
        if self.delivery.is(p) {
            self.delivered(ci, p);
        } else {
            self.echoed(ci, p);
        }
    }
}
