//! The WebSocket-only workloads.

use crate::args::Args;
use crate::link::{Clients, Hello, Link, St};
use crate::meter::{Drain, Meter, wrong};
use crate::net::{Ep, close, frame, unhex8};
use crate::shape::{Delivery, Kind, Shape, emit_frame};
use crate::sys::now;

struct Conn {
    link: Link,
    t0: u64,
    seq: u32,
    got: usize,
    bin_due: bool,
    bits: u64,
    room: u32,
    /// k prebuilt frames in a row
    frame: Vec<u8>,
    expect: Vec<u8>,
}

#[derive(PartialEq, Clone, Copy)]
enum Work {
    Echo,
    Ack,
    Bin,
    Bcast,
    Rooms,
    Connect,
    Idle,
}

struct Gen {
    a: Args,
    w: Work,
    ep: Ep,
    conns: Vec<Conn>,
    m: Meter,
    shape: Shape,
    hello: Hello,
    ready: usize,
    started: bool,
    pings: u64,
    // broadcasts
    delivery: Delivery,
    left: Vec<u32>,
    tsend: Vec<u64>,
    bseq: u32,
    rng: u64,
    /// with --any-order: deliveries that came after a later one
    late: u64,
    drain: Option<Drain>,
}

const RING: usize = 1024;

pub(crate) fn run(a: Args) {
    let w = match a.work.as_str() {
        "echo" => Work::Echo,
        "ack" => Work::Ack,
        "bin" => Work::Bin,
        "bcast" => Work::Bcast,
        "rooms" => Work::Rooms,
        "connect" => Work::Connect,
        "idle" => Work::Idle,
        o => wrong(&format!("no workload {o}")),
    };
    let m = Meter::new(&a);
    let mut g = Gen {
        w,
        ep: Ep::new(a.block),
        conns: Vec::new(),
        m,
        shape: Shape::default(),
        hello: Hello::new(a.port),
        ready: 0,
        started: false,
        pings: 0,
        delivery: Delivery::default(),
        left: vec![0; RING],
        tsend: vec![0; RING],
        bseq: 0,
        rng: 0x9e3779b97f4a7c15,
        late: 0,
        drain: None,
        a,
    };
    g.main();
}

impl Gen {
    fn extra(&self) -> usize {
        matches!(self.w, Work::Bcast | Work::Rooms) as usize
    }
    fn open(&mut self, ci: usize) {
        let c = &mut self.conns[ci];
        c.t0 = self.hello.open(&self.ep, ci, &mut c.link);
    }
    fn build(&mut self, ci: usize) {
        let kind = match self.w {
            Work::Echo => Kind::Echo,
            Work::Ack => Kind::Ack,
            Work::Bin => Kind::Bin,
            _ => return,
        };
        let c = &mut self.conns[ci];
        let one;
        (self.shape, one, c.expect) = Shape::build(kind, self.a.size, ci as u32);
        c.frame = one.repeat(self.a.pipeline);
    }
    fn fire(&mut self, ci: usize) {
        if self.drain.is_some() {
            return;
        }
        let c = &mut self.conns[ci];
        for k in 0..self.a.pipeline {
            self.shape.number(&mut c.frame, k, c.seq.wrapping_add(k as u32));
        }
        c.got = 0;
        c.t0 = now();
        c.link.send(&self.ep, ci, &c.frame);
        self.m.sends += 1;
    }
    fn rand(&mut self) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        self.rng
    }
    /// One more broadcast or room emit from the extra client.
    fn emit(&mut self) {
        if self.drain.is_some() {
            return;
        }
        let ci = self.a.conns;
        let slot = self.bseq as usize % RING;
        if self.left[slot] != 0 {
            if self.a.any_order {
                // something is missing: wait for it, and say what never came
                return;
            }
            wrong("more than a ring of broadcasts outstanding");
        }
        let (owner, pre) = if self.w == Work::Bcast {
            self.left[slot] = self.a.conns as u32 + 1;
            (ci as u32, "42[\"bcast\",\"".to_string())
        } else {
            let r = (self.rand() % self.a.rooms as u64) as u32;
            self.left[slot] = ((self.a.conns + self.a.rooms - 1 - r as usize) / self.a.rooms) as u32;
            (r, format!("42[\"room\",\"r{r}\",\""))
        };
        let f = emit_frame(&pre, self.a.size, owner, self.bseq);
        self.tsend[slot] = now();
        self.bseq = self.bseq.wrapping_add(1);
        self.conns[ci].link.send(&self.ep, ci, &f);
        self.m.sends += 1;
    }
    fn start(&mut self) {
        self.started = true;
        self.m.setup_ns = now() - self.m.setup_ns;
        self.m.go(&self.a);
        match self.w {
            Work::Echo | Work::Ack | Work::Bin => {
                for i in 0..self.a.conns {
                    self.fire(i);
                }
            }
            Work::Bcast | Work::Rooms => {
                for _ in 0..self.a.depth {
                    self.emit();
                }
            }
            _ => {}
        }
    }
    fn joined(&mut self, ci: usize) {
        self.conns[ci].link.st = St::Ready;
        self.ready += 1;
        if self.w == Work::Connect {
            self.m.hist.add(now() - self.conns[ci].t0);
            self.m.ops += 1;
            let c = &mut self.conns[ci];
            close(c.link.fd);
            c.link.st = St::Free;
            self.open(ci);
            return;
        }
        let total = self.a.conns + self.extra();
        let nx = self.hello.opens;
        if nx < total {
            self.open(nx);
        }
        if self.ready == total {
            self.start();
        }
    }
    #[inline]
    fn done(&mut self, ci: usize) {
        let c = &mut self.conns[ci];
        c.seq = c.seq.wrapping_add(1);
        c.got += 1;
        self.m.ops += 1;
        if c.got == self.a.pipeline {
            self.m.hist.add(now() - c.t0);
            self.fire(ci);
        }
    }
    fn main(&mut self) {
        let total = self.a.conns + self.extra();
        if matches!(self.w, Work::Bcast | Work::Rooms) {
            let n = if self.w == Work::Bcast { "bcast" } else { "room" };
            self.delivery = Delivery::new(n, self.a.size);
        }
        let (slots, first) = if self.w == Work::Connect {
            (self.a.inflight, self.a.inflight)
        } else {
            (total, total.min(self.a.inflight))
        };
        for _ in 0..slots {
            self.conns.push(Conn {
                link: Link::free(),
                t0: 0,
                seq: 0,
                got: 0,
                bin_due: false,
                bits: 0,
                room: u32::MAX,
                frame: Vec::new(),
                expect: Vec::new(),
            });
        }
        self.m.setup_ns = now();
        for i in 0..first {
            self.open(i);
        }
        if self.w == Work::Connect {
            self.started = true;
            self.m.setup_ns = 0;
            self.m.go(&self.a);
        }
        let stall = if self.w == Work::Idle { 100 } else { 10 };
        let mut buf = vec![0u8; 1 << 18];
        let mut t = now();
        loop {
            let (n, idle, t1) = self.ep.wait(t);
            t = t1;
            self.m.idle_ns += idle;
            for i in 0..n {
                let (ci, ev) = (self.ep.ev[i].u64 as usize, self.ep.ev[i].events);
                self.m.recvs += self.event(ci, ev, &mut buf) as u64;
            }
            if n > 0 {
                t = now();
            }
            if !self.started {
                self.m.check_setup(t, self.ready);
            } else {
                if n == 0 && self.a.any_order {
                    let open: u64 = self.left.iter().map(|l| *l as u64).sum();
                    self.m.note = format!("; {open} deliveries missing, {} late", self.late);
                }
                if let Some(drain) = &self.drain {
                    if drain.is_over(self.outstanding(), t) {
                        return;
                    }
                } else if self.m.tick(&self.a, t, stall) {
                    self.drain = Some(Drain::new(self.result(), t));
                }
            }
        }
    }
    /// Replies or deliveries that are still due.
    fn outstanding(&self) -> u64 {
        match self.w {
            Work::Echo | Work::Ack | Work::Bin => {
                (self.conns.iter()).map(|c| (self.a.pipeline - c.got) as u64).sum()
            }
            Work::Bcast | Work::Rooms => self.left.iter().map(|l| *l as u64).sum(),
            Work::Connect | Work::Idle => 0,
        }
    }
    fn result(&mut self) -> String {
        if self.w == Work::Idle {
            self.m.extra = format!(",\"pings\":{}", self.pings);
        }
        let unit = match self.w {
            Work::Echo | Work::Ack | Work::Bin => "round trip",
            Work::Bcast | Work::Rooms => "delivery",
            Work::Connect => "connect",
            Work::Idle => "ping",
        };
        let unit = unit.to_string();
        self.m.finish(&self.a, &unit)
    }
}

impl Clients for Gen {
    #[inline]
    fn parts(&mut self, ci: usize) -> (&Ep, &Hello, &mut Link) {
        (&self.ep, &self.hello, &mut self.conns[ci].link)
    }
    fn pinged(&mut self) {
        self.pings += 1;
        if self.w == Work::Idle {
            self.m.ops += 1;
        }
    }
    fn connected(&mut self, ci: usize) {
        if self.w == Work::Rooms && ci < self.a.conns {
            let c = &mut self.conns[ci];
            c.room = (ci % self.a.rooms) as u32;
            c.link.st = St::Join;
            let j = frame(1, format!("421[\"join\",\"r{}\"]", c.room).as_bytes()).1;
            c.link.send(&self.ep, ci, &j);
            return;
        }
        self.build(ci);
        self.joined(ci);
    }
    fn join_ack(&mut self, ci: usize, p: &[u8]) {
        if p != format!("431[\"r{}\"]", self.conns[ci].room).as_bytes() {
            wrong(&format!("bad join ack {}", String::from_utf8_lossy(p)));
        }
        self.joined(ci);
    }
    #[inline]
    fn reply(&mut self, ci: usize, p: &[u8]) {
        match self.w {
            Work::Echo | Work::Ack => {
                let c = &mut self.conns[ci];
                let e = self.shape.eseq;
                if self.a.any_order {
                    // seq is the first of the batch; each of the k may come once
                    let s = p.get(e..e + 8).and_then(unhex8).unwrap_or(u32::MAX);
                    let d = s.wrapping_sub(c.seq) as usize;
                    if d >= self.a.pipeline || c.bits >> d & 1 == 1 {
                        wrong(&format!("wrong reply {:.200}", String::from_utf8_lossy(p)));
                    }
                    self.shape.check(&mut c.expect, s, p);
                    c.bits |= 1 << d;
                    c.got += 1;
                    self.m.ops += 1;
                    if c.got == self.a.pipeline {
                        c.seq = c.seq.wrapping_add(c.got as u32);
                        c.bits = 0;
                        self.m.hist.add(now() - c.t0);
                        self.fire(ci);
                    }
                    return;
                }
                self.shape.check(&mut c.expect, c.seq, p);
                self.done(ci);
            }
            Work::Bin => {
                let c = &mut self.conns[ci];
                if c.bin_due
                    || (p != b"451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]"
                        && p != b"451-[\"message-back\",{\"num\":0,\"_placeholder\":true}]")
                {
                    wrong(&format!("wrong reply {:.200}", String::from_utf8_lossy(p)));
                }
                c.bin_due = true;
            }
            Work::Bcast | Work::Rooms => {
                let (owner, seq) = self.delivery.read(p);
                let c = &mut self.conns[ci];
                let ok = if self.w == Work::Bcast {
                    owner as usize == self.a.conns && (seq == c.seq || self.a.any_order)
                } else {
                    owner == c.room && ci < self.a.conns && (seq >= c.seq || self.a.any_order)
                };
                if !ok {
                    wrong(&format!(
                        "delivery of {owner}/{seq} to connection {ci} that awaits {}/{}",
                        c.room, c.seq
                    ));
                }
                if seq < c.seq {
                    self.late += 1;
                }
                c.seq = c.seq.max(seq.wrapping_add(1));
                self.m.ops += 1;
                let slot = seq as usize % RING;
                if self.left[slot] == 0 {
                    wrong("a delivery too many");
                }
                self.left[slot] -= 1;
                if self.left[slot] == 0 {
                    self.m.hist.add(now() - self.tsend[slot]);
                    self.emit();
                }
            }
            _ => wrong(&format!("unexpected message {:.200}", String::from_utf8_lossy(p))),
        }
    }
    fn binary(&mut self, ci: usize, p: &[u8]) {
        let c = &mut self.conns[ci];
        if !c.bin_due {
            wrong("an unexpected binary frame");
        }
        c.bin_due = false;
        self.shape.check(&mut c.expect, c.seq, p);
        self.done(ci);
    }
}
