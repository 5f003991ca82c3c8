//! The WebSocket-only workloads.

use crate::args::Args;
use crate::meter::{Meter, wrong};
use crate::net::{
    Ep, MASK, OutQ, close, connect, find, flush, frame, hex8, parse_101, parse_frame, payload, recv, send,
    unhex8, upgrade_request,
};
use crate::sys::now;

#[derive(PartialEq, Clone, Copy)]
enum St {
    Free,
    Upgrade,
    Open,
    Sio,
    Join,
    Ready,
}
struct Conn {
    fd: i32,
    st: St,
    inb: Vec<u8>,
    out: OutQ,
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

/// Where the sequence number lies, for the patching of frames and of what is expected.
#[derive(Default)]
struct Shape {
    flen: usize,
    fseq: usize, // in the frame: offset of the sequence digits
    pseq: usize, // in the frame's payload: the same, for the mask
    eseq: usize, // in the expected reply
    id: bool,    // 7-digit ack id at payload offset 2 in both
}

struct Gen {
    a: Args,
    w: Work,
    ep: Ep,
    conns: Vec<Conn>,
    m: Meter,
    shape: Shape,
    up: Vec<u8>,
    c40: Vec<u8>,
    pong: Vec<u8>,
    ready: usize,
    next: usize,
    started: bool,
    pings: u64,
    // broadcasts
    bx_prefix: Vec<u8>,
    bx_tail: Vec<u8>,
    left: Vec<u32>,
    tsend: Vec<u64>,
    bseq: u32,
    rng: u64,
    opens: u64,
    /// with --any-order: deliveries that came after a later one
    late: u64,
    /// the window is over: nothing more is sent, what is outstanding must still come
    draining: bool,
}

const RING: usize = 1024;

fn patch(f: &mut [u8], at: usize, pat: usize, digits: &[u8]) {
    for (i, d) in digits.iter().enumerate() {
        f[at + i] = d ^ MASK[(pat + i) % 4];
    }
}
fn dec7(v: u32) -> [u8; 7] {
    let mut v = 1_000_000 + v % 8_000_000;
    let mut o = [0; 7];
    for x in o.iter_mut().rev() {
        *x = b'0' + (v % 10) as u8;
        v /= 10;
    }
    o
}

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
        up: upgrade_request(a.port, None),
        c40: frame(1, b"40").1,
        pong: frame(1, b"3").1,
        ready: 0,
        next: 0,
        started: false,
        pings: 0,
        bx_prefix: Vec::new(),
        bx_tail: Vec::new(),
        left: vec![0; RING],
        tsend: vec![0; RING],
        bseq: 0,
        rng: 0x9e3779b97f4a7c15,
        opens: 0,
        late: 0,
        draining: false,
        a,
    };
    g.main();
}

impl Gen {
    fn extra(&self) -> usize {
        matches!(self.w, Work::Bcast | Work::Rooms) as usize
    }
    fn open(&mut self, ci: usize) {
        let fd = connect(self.a.port, self.next);
        self.next += 1;
        let c = &mut self.conns[ci];
        c.fd = fd;
        c.st = St::Upgrade;
        c.inb.clear();
        c.out.buf.clear();
        c.t0 = now();
        self.ep.add(fd, ci);
        send(&self.ep, fd, ci, &mut c.out, &self.up);
        self.opens += 1;
    }
    fn build(&mut self, ci: usize) {
        let size = self.a.size;
        let p = payload(size, ci as u32);
        let wrap = |pre: &str, p: &[u8], post: &str| [pre.as_bytes(), p, post.as_bytes()].concat();
        let c = &mut self.conns[ci];
        let sh = &mut self.shape;
        let (pre, epre, post) = match self.w {
            Work::Echo => ("42[\"message\",\"", "42[\"message-back\",\"", "\"]"),
            Work::Ack => ("420000000[\"message-with-ack\",\"", "430000000[\"", "\"]"),
            Work::Bin => ("", "", ""),
            _ => return,
        };
        sh.id = self.w == Work::Ack;
        let (h, f) = frame(if self.w == Work::Bin { 2 } else { 1 }, &wrap(pre, &p, post));
        let mut one = f;
        let mut shift = 0;
        if self.w == Work::Bin {
            let t = frame(1, b"451-[\"message\",{\"_placeholder\":true,\"num\":0}]").1;
            shift = t.len();
            one = [t, one].concat();
        }
        sh.flen = one.len();
        sh.fseq = shift + h + pre.len() + 8;
        sh.pseq = pre.len() + 8;
        sh.eseq = epre.len() + 8;
        c.expect = wrap(epre, &p, post);
        c.frame = one.repeat(self.a.pipeline);
    }
    fn fire(&mut self, ci: usize) {
        if self.draining {
            return;
        }
        let c = &mut self.conns[ci];
        let sh = &self.shape;
        for k in 0..self.a.pipeline {
            let s = c.seq.wrapping_add(k as u32);
            let at = k * sh.flen;
            patch(&mut c.frame, at + sh.fseq, sh.pseq, &hex8(s));
            if sh.id {
                patch(&mut c.frame, at + sh.fseq - sh.pseq + 2, 2, &dec7(s));
            }
        }
        c.got = 0;
        c.t0 = now();
        send(&self.ep, c.fd, ci, &mut c.out, &c.frame);
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
        if self.draining {
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
        let mut p = payload(self.a.size, owner);
        p[8..16].copy_from_slice(&hex8(self.bseq));
        let f = frame(1, &[pre.as_bytes(), &p, b"\"]"].concat()).1;
        self.tsend[slot] = now();
        self.bseq = self.bseq.wrapping_add(1);
        let c = &mut self.conns[ci];
        send(&self.ep, c.fd, ci, &mut c.out, &f);
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
        self.conns[ci].st = St::Ready;
        self.ready += 1;
        if self.w == Work::Connect {
            self.m.hist.add(now() - self.conns[ci].t0);
            self.m.ops += 1;
            let c = &mut self.conns[ci];
            close(c.fd);
            c.st = St::Free;
            self.open(ci);
            return;
        }
        let total = self.a.conns + self.extra();
        let nx = self.opens as usize;
        if nx < total {
            self.open(nx);
        }
        if self.ready == total {
            self.start();
        }
    }
    fn text(&mut self, ci: usize, p: &[u8]) {
        if p.len() == 1 {
            if p[0] != b'2' {
                wrong("an unexpected one-byte packet");
            }
            self.pings += 1;
            if self.w == Work::Idle {
                self.m.ops += 1;
            }
            let c = &mut self.conns[ci];
            send(&self.ep, c.fd, ci, &mut c.out, &self.pong);
            return;
        }
        match self.conns[ci].st {
            St::Ready => self.reply(ci, p),
            St::Open => {
                if !p.starts_with(b"0{") || find(p, b"\"pingInterval\":25000").is_none() {
                    wrong(&format!("bad open packet {}", String::from_utf8_lossy(p)));
                }
                let c = &mut self.conns[ci];
                c.st = St::Sio;
                send(&self.ep, c.fd, ci, &mut c.out, &self.c40);
            }
            St::Sio => {
                if !p.starts_with(b"40{\"sid\":\"") {
                    wrong(&format!("bad connect answer {}", String::from_utf8_lossy(p)));
                }
                if self.w == Work::Rooms && ci < self.a.conns {
                    let c = &mut self.conns[ci];
                    c.room = (ci % self.a.rooms) as u32;
                    c.st = St::Join;
                    let j = frame(1, format!("421[\"join\",\"r{}\"]", c.room).as_bytes()).1;
                    send(&self.ep, c.fd, ci, &mut c.out, &j);
                    return;
                }
                self.build(ci);
                self.joined(ci);
            }
            St::Join => {
                if p != format!("431[\"r{}\"]", self.conns[ci].room).as_bytes() {
                    wrong(&format!("bad join ack {}", String::from_utf8_lossy(p)));
                }
                self.joined(ci);
            }
            _ => wrong("a frame in a wrong state"),
        }
    }
    #[inline]
    fn reply(&mut self, ci: usize, p: &[u8]) {
        match self.w {
            Work::Echo | Work::Ack => {
                let c = &mut self.conns[ci];
                let (e, eid) = (self.shape.eseq, self.shape.id);
                if self.a.any_order {
                    // seq is the first of the batch; each of the k may come once
                    let s = p.get(e..e + 8).and_then(unhex8).unwrap_or(u32::MAX);
                    let d = s.wrapping_sub(c.seq) as usize;
                    c.expect[e..e + 8].copy_from_slice(&hex8(s));
                    if d >= self.a.pipeline || c.bits >> d & 1 == 1 || p != &c.expect[..] {
                        wrong(&format!("wrong reply {:.200}", String::from_utf8_lossy(p)));
                    }
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
                c.expect[e..e + 8].copy_from_slice(&hex8(c.seq));
                if eid {
                    c.expect[2..9].copy_from_slice(&dec7(c.seq));
                }
                if p != &c.expect[..] {
                    wrong(&format!("wrong reply {:.200}", String::from_utf8_lossy(p)));
                }
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
                let (pl, sz) = (self.bx_prefix.len(), self.a.size);
                if p.len() != pl + sz + 2 || p[..pl] != self.bx_prefix[..] || p[pl + 16..] != self.bx_tail[..]
                {
                    wrong(&format!("wrong delivery {:.200}", String::from_utf8_lossy(p)));
                }
                let (Some(owner), Some(seq)) = (unhex8(&p[pl..pl + 8]), unhex8(&p[pl + 8..pl + 16])) else {
                    wrong("wrong delivery digits")
                };
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
    fn binary(&mut self, ci: usize, p: &[u8]) {
        let c = &mut self.conns[ci];
        if !c.bin_due {
            wrong("an unexpected binary frame");
        }
        c.bin_due = false;
        let e = self.shape.eseq;
        c.expect[e..e + 8].copy_from_slice(&hex8(c.seq));
        if p != &c.expect[..] {
            wrong("wrong binary reply");
        }
        self.done(ci);
    }
    /// Takes whole frames from b and says how much was used.
    fn feed(&mut self, ci: usize, b: &[u8]) -> usize {
        let mut at = 0;
        if self.conns[ci].st == St::Upgrade {
            let Some(n) = parse_101(b) else { return 0 };
            at = n;
            self.conns[ci].st = St::Open;
        }
        while let Some((op, s, e)) = parse_frame(&b[at..]) {
            let p = &b[at + s..at + e];
            at += e;
            let fd = self.conns[ci].fd;
            match op {
                1 => self.text(ci, p),
                2 => self.binary(ci, p),
                9 => {
                    let f = frame(10, p).1;
                    let c = &mut self.conns[ci];
                    send(&self.ep, c.fd, ci, &mut c.out, &f);
                }
                _ => wrong(&format!("frame opcode {op}: {}", String::from_utf8_lossy(p))),
            }
            // the connection was closed and opened anew under our hands: the rest is of the old one
            if self.conns[ci].st == St::Upgrade || self.conns[ci].fd != fd {
                return b.len();
            }
        }
        at
    }
    fn main(&mut self) {
        let total = self.a.conns + self.extra();
        if matches!(self.w, Work::Bcast | Work::Rooms) {
            let n = if self.w == Work::Bcast { "bcast" } else { "room" };
            self.bx_prefix = format!("42[\"{n}\",\"").into_bytes();
            self.bx_tail = [&payload(self.a.size, 0)[16..], b"\"]"].concat();
        }
        let (slots, first) = if self.w == Work::Connect {
            (self.a.inflight, self.a.inflight)
        } else {
            (total, total.min(self.a.inflight))
        };
        for _ in 0..slots {
            self.conns.push(Conn {
                fd: -1,
                st: St::Free,
                inb: Vec::new(),
                out: OutQ::default(),
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
        let (mut line, mut give_up) = (String::new(), 0);
        loop {
            let (n, idle, t1) = self.ep.wait(t);
            t = t1;
            self.m.idle_ns += idle;
            for i in 0..n {
                let (ci, ev) = (self.ep.ev[i].u64 as usize, self.ep.ev[i].events);
                let fd = self.conns[ci].fd;
                if ev & libc::EPOLLOUT as u32 != 0 {
                    let c = &mut self.conns[ci];
                    flush(&self.ep, fd, ci, &mut c.out);
                }
                if ev & !(libc::EPOLLOUT as u32) == 0 {
                    continue;
                }
                let Some(k) = recv(fd, &mut buf) else {
                    continue;
                };
                self.m.recvs += 1;
                if self.conns[ci].inb.is_empty() {
                    let used = self.feed(ci, &buf[..k]);
                    if used < k {
                        self.conns[ci].inb.extend_from_slice(&buf[used..k]);
                    }
                } else {
                    let mut inb = std::mem::take(&mut self.conns[ci].inb);
                    inb.extend_from_slice(&buf[..k]);
                    let used = self.feed(ci, &inb);
                    if used < inb.len() {
                        inb.drain(..used);
                        self.conns[ci].inb = inb;
                    } else {
                        inb.clear();
                        self.conns[ci].inb = inb;
                    }
                }
            }
            if n > 0 {
                t = now();
            }
            if !self.started {
                if t.saturating_sub(self.m.setup_ns) > 120_000_000_000 {
                    wrong(&format!("setup stalled at {} connections", self.ready));
                }
            } else {
                if n == 0 && self.a.any_order {
                    let open: u64 = self.left.iter().map(|l| *l as u64).sum();
                    self.m.note = format!("; {open} deliveries missing, {} late", self.late);
                }
                if !self.draining {
                    if !self.m.tick(&self.a, t, stall) {
                        continue;
                    }
                    line = self.result();
                    self.draining = true;
                    give_up = t + 2_000_000_000;
                }
                let missing = self.outstanding();
                if missing == 0 {
                    break;
                }
                if t > give_up {
                    wrong(&format!("{missing} replies or deliveries never came"));
                }
            }
        }
        println!("{line}");
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
