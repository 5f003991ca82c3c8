//! Long-polling workloads: echo over polling, and the default client's handshake (polling, then upgrade).

use crate::args::Args;
use crate::meter::{Meter, wrong};
use crate::net::{
    Ep, OutQ, close, connect, find, flush, frame, hex8, parse_101, parse_frame, payload, recv, send,
    upgrade_request,
};
use crate::sys::now;

struct Half {
    fd: i32,
    inb: Vec<u8>,
    out: OutQ,
}
#[derive(PartialEq, Clone, Copy, Debug)]
enum Ph {
    Open,
    Post40,
    Get40,
    Run,
}
struct Sess {
    h: [Half; 2],
    ph: Ph,
    sid: String,
    t0: u64,
    seq: u32,
    get: Vec<u8>,
    expect: Vec<u8>,
    // polling echo
    pong: bool,
    got: bool,
    posted: bool,
    // upgrade
    ws_open: bool,
    probed: bool,
    polled: bool,
    upgraded: bool,
}

struct Gen {
    a: Args,
    ep: Ep,
    s: Vec<Sess>,
    m: Meter,
    echo: bool,
    next: usize,
    ready: usize,
    opened: usize,
    started: bool,
    /// the window is over: nothing more is sent, `due` sessions still owe their reply
    draining: bool,
    due: usize,
}

/// (status, body, used) of one whole HTTP/1.1 answer.
fn parse_http(b: &[u8]) -> Option<(u16, Vec<u8>, usize)> {
    let e = find(b, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&b[..e]).unwrap_or("").to_ascii_lowercase();
    let status = head.get(9..12).and_then(|v| v.parse().ok()).unwrap_or(0);
    let val = |k: &str| head.lines().find_map(|l| l.strip_prefix(k)).map(|v| v.trim().to_string());
    if let Some(n) = val("content-length:") {
        let n: usize = n.parse().unwrap();
        return (b.len() >= e + n).then(|| (status, b[e..e + n].to_vec(), e + n));
    }
    if val("transfer-encoding:").as_deref() == Some("chunked") {
        let (mut at, mut body) = (e, Vec::new());
        loop {
            let l = find(&b[at..], b"\r\n")?;
            let n = usize::from_str_radix(std::str::from_utf8(&b[at..at + l]).ok()?.trim(), 16).ok()?;
            at += l + 2;
            if b.len() < at + n + 2 {
                return None;
            }
            body.extend_from_slice(&b[at..at + n]);
            at += n + 2;
            if n == 0 {
                return Some((status, body, at));
            }
        }
    }
    wrong(&format!("an HTTP answer of unknown length: {head}"))
}

pub(crate) fn run(a: Args) {
    let m = Meter::new(&a);
    let echo = a.work == "poll-echo";
    let n = if echo { a.conns } else { a.inflight };
    let mut g = Gen {
        ep: Ep::new(a.block),
        s: Vec::new(),
        m,
        echo,
        next: 0,
        ready: 0,
        opened: 0,
        started: false,
        draining: false,
        due: 0,
        a,
    };
    for i in 0..n {
        let half = || Half { fd: -1, inb: Vec::new(), out: OutQ::default() };
        let p = payload(g.a.size, i as u32);
        g.s.push(Sess {
            h: [half(), half()],
            ph: Ph::Open,
            sid: String::new(),
            t0: 0,
            seq: 0,
            get: Vec::new(),
            expect: [b"42[\"message-back\",\"", &p[..], b"\"]"].concat(),
            pong: false,
            got: false,
            posted: false,
            ws_open: false,
            probed: false,
            polled: false,
            upgraded: false,
        });
    }
    g.main(n);
}

impl Gen {
    fn dial(&mut self, si: usize, k: usize) {
        let fd = connect(self.a.port, self.next);
        self.next += 1;
        self.s[si].h[k].fd = fd;
        self.s[si].h[k].inb.clear();
        self.s[si].h[k].out.buf.clear();
        self.ep.add(fd, si * 2 + k);
    }
    fn open(&mut self, si: usize) {
        self.opened += 1;
        let t = now();
        self.dial(si, 0);
        let s = &mut self.s[si];
        s.ph = Ph::Open;
        s.t0 = t;
        (s.ws_open, s.probed, s.polled, s.upgraded) = (false, false, false, false);
        let r = format!(
            "GET /socket.io/?EIO=4&transport=polling&t=abc HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: keep-alive\r\n\r\n",
            self.a.port
        );
        self.tx(si, 0, r.as_bytes());
    }
    fn tx(&mut self, si: usize, k: usize, b: &[u8]) {
        let h = &mut self.s[si].h[k];
        send(&self.ep, h.fd, si * 2 + k, &mut h.out, b);
        self.m.sends += 1;
    }
    fn poll(&mut self, si: usize) {
        let g = std::mem::take(&mut self.s[si].get);
        self.tx(si, 0, &g);
        self.s[si].get = g;
    }
    fn post(&mut self, si: usize, k: usize, body: &[u8]) {
        let r = format!(
            "POST /socket.io/?EIO=4&transport=polling&t=abc&sid={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: keep-alive\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            self.s[si].sid,
            self.a.port,
            body.len()
        );
        self.tx(si, k, &[r.as_bytes(), body].concat());
    }
    fn message(&mut self, si: usize) -> Vec<u8> {
        let s = &mut self.s[si];
        let at = 19 + 8;
        let q = hex8(s.seq);
        s.expect[at..at + 8].copy_from_slice(&q);
        [b"42[\"message\",\"", &s.expect[19..]].concat()
    }
    fn fire(&mut self, si: usize) {
        if self.draining {
            self.due -= 1;
            return;
        }
        let mut b = self.message(si);
        if std::mem::take(&mut self.s[si].pong) {
            b = [b"3\x1e", &b[..]].concat();
        }
        self.poll(si);
        self.s[si].got = false;
        self.s[si].posted = false;
        self.s[si].t0 = now();
        self.post(si, 1, &b);
    }
    fn ready(&mut self, si: usize) {
        if !self.echo {
            return self.upgrade(si);
        }
        self.dial(si, 1);
        self.ready += 1;
        if self.opened < self.s.len() {
            self.open(self.opened);
        }
        if self.ready == self.s.len() {
            self.started = true;
            self.m.setup_ns = now() - self.m.setup_ns;
            self.m.go(&self.a);
            for i in 0..self.s.len() {
                self.fire(i);
            }
        }
    }
    fn upgrade(&mut self, si: usize) {
        self.dial(si, 1);
        let sid = self.s[si].sid.clone();
        let r = upgrade_request(self.a.port, Some(&sid));
        self.tx(si, 1, &r);
        self.poll(si);
    }
    fn try_upgrade(&mut self, si: usize) {
        if self.s[si].probed && self.s[si].polled && !self.s[si].upgraded {
            self.s[si].upgraded = true;
            let m = self.message(si);
            let mut b = frame(1, b"5").1;
            if std::mem::take(&mut self.s[si].pong) {
                b.extend(frame(1, b"3").1);
            }
            b.extend(frame(1, &m).1);
            self.tx(si, 1, &b);
        }
    }
    fn answer(&mut self, si: usize, k: usize, status: u16, body: &[u8]) {
        if status != 200 {
            wrong(&format!("HTTP {status}: {}", String::from_utf8_lossy(body)));
        }
        let bad = |what: &str| -> ! { wrong(&format!("bad {what}: {}", String::from_utf8_lossy(body))) };
        match self.s[si].ph {
            Ph::Open => {
                let Some(p) = find(body, b"\"sid\":\"") else { bad("open packet") };
                let e = p + 7 + body[p + 7..].iter().position(|c| *c == b'"').unwrap();
                let s = &mut self.s[si];
                s.sid = String::from_utf8_lossy(&body[p + 7..e]).into_owned();
                s.get = format!(
                    "GET /socket.io/?EIO=4&transport=polling&t=abc&sid={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: keep-alive\r\n\r\n",
                    s.sid, self.a.port
                )
                .into_bytes();
                s.ph = Ph::Post40;
                self.post(si, 0, b"40");
            }
            Ph::Post40 => {
                if !body.eq_ignore_ascii_case(b"ok") {
                    bad("answer to a POST");
                }
                self.s[si].ph = Ph::Get40;
                self.poll(si);
            }
            Ph::Get40 => {
                // a server may ping at once (socketioxide does); the answer goes with the next POST
                let mut body = body;
                if body.starts_with(b"2\x1e") {
                    self.s[si].pong = true;
                    body = &body[2..];
                }
                if body == b"2" {
                    self.s[si].pong = true;
                    return self.poll(si);
                }
                if !body.starts_with(b"40{\"sid\":\"") {
                    bad("connect answer");
                }
                self.s[si].ph = Ph::Run;
                self.ready(si);
            }
            Ph::Run if self.echo => {
                if k == 1 {
                    if !body.eq_ignore_ascii_case(b"ok") || self.s[si].posted {
                        bad("answer to a POST");
                    }
                    self.s[si].posted = true;
                } else {
                    for p in body.split(|c| *c == 0x1e) {
                        let s = &mut self.s[si];
                        if p == b"2" {
                            s.pong = true;
                        } else if p == &s.expect[..] && !s.got {
                            s.got = true;
                        } else if p != b"6" {
                            bad("poll");
                        }
                    }
                    if self.s[si].got {
                        let dt = now() - self.s[si].t0;
                        self.m.hist.add(dt);
                    } else {
                        self.poll(si);
                    }
                }
                if self.s[si].got && self.s[si].posted {
                    self.m.ops += 1;
                    self.s[si].seq += 1;
                    self.fire(si);
                }
            }
            Ph::Run => {
                if body == b"2" {
                    self.s[si].pong = true;
                    return self.poll(si);
                }
                if body != b"6" {
                    bad("poll during the upgrade");
                }
                self.s[si].polled = true;
                self.try_upgrade(si);
            }
        }
    }
    /// WebSocket frames of the upgrading half; true when the session is over.
    fn frames(&mut self, si: usize, b: &[u8]) -> (usize, bool) {
        let mut at = 0;
        if !self.s[si].ws_open {
            let Some(n) = parse_101(b) else {
                return (0, false);
            };
            at = n;
            self.s[si].ws_open = true;
            self.tx(si, 1, &frame(1, b"2probe").1);
        }
        while let Some((op, s, e)) = parse_frame(&b[at..]) {
            let p = &b[at + s..at + e];
            at += e;
            match (op, p) {
                (1, b"3probe") => {
                    self.s[si].probed = true;
                    self.try_upgrade(si);
                }
                (1, b"6") => {}
                (1, b"2") => {
                    let f = frame(1, b"3").1;
                    self.tx(si, 1, &f);
                }
                (1, p) if p == &self.s[si].expect[..] && self.s[si].upgraded => {
                    self.m.hist.add(now() - self.s[si].t0);
                    self.m.ops += 1;
                    self.s[si].seq += 1;
                    for k in 0..2 {
                        close(self.s[si].h[k].fd);
                        self.s[si].h[k].fd = -1;
                    }
                    return (at, true);
                }
                _ => wrong(&format!("frame {op} {}", String::from_utf8_lossy(p))),
            }
        }
        (at, false)
    }
    fn main(&mut self, n: usize) {
        self.m.setup_ns = now();
        let first = n.min(self.a.inflight);
        for i in 0..first {
            self.open(i);
        }
        if !self.echo {
            self.started = true;
            self.m.setup_ns = 0;
            self.m.go(&self.a);
        }
        let mut buf = vec![0u8; 1 << 18];
        let mut t = now();
        let (mut line, mut give_up) = (String::new(), 0);
        loop {
            let (n, idle, t1) = self.ep.wait(t);
            t = t1;
            self.m.idle_ns += idle;
            for i in 0..n {
                let (id, ev) = (self.ep.ev[i].u64 as usize, self.ep.ev[i].events);
                let (si, k) = (id / 2, id % 2);
                let fd = self.s[si].h[k].fd;
                if fd < 0 {
                    continue;
                }
                if ev & libc::EPOLLOUT as u32 != 0 {
                    let h = &mut self.s[si].h[k];
                    flush(&self.ep, fd, id, &mut h.out);
                }
                if ev & !(libc::EPOLLOUT as u32) == 0 {
                    continue;
                }
                let Some(got) = recv(fd, &mut buf) else {
                    continue;
                };
                self.m.recvs += 1;
                let mut inb = std::mem::take(&mut self.s[si].h[k].inb);
                inb.extend_from_slice(&buf[..got]);
                if !self.echo && k == 1 {
                    let (used, over) = self.frames(si, &inb);
                    if over {
                        // stale events of this session's other half in this batch must not be read
                        for j in i + 1..n {
                            if self.ep.ev[j].u64 as usize / 2 == si {
                                self.ep.ev[j].events = 0;
                            }
                        }
                        self.open(si);
                        continue;
                    }
                    inb.drain(..used);
                } else {
                    while let Some((st, body, used)) = parse_http(&inb) {
                        inb.drain(..used);
                        self.answer(si, k, st, &body);
                    }
                }
                self.s[si].h[k].inb = inb;
            }
            if n > 0 {
                t = now();
            }
            if !self.draining {
                if !self.m.tick(&self.a, t, 10) {
                    continue;
                }
                let unit = if self.echo { "round trip" } else { "connect" };
                line = self.m.finish(&self.a, unit);
                self.draining = true;
                self.due = if self.echo { self.s.len() } else { 0 };
                give_up = t + 2_000_000_000;
            }
            if self.due == 0 {
                break;
            }
            if t > give_up {
                wrong(&format!("{} replies never came", self.due));
            }
        }
        println!("{line}");
    }
}
