//! A client over WebSocket: its way into the namespace, and the frames that it reads.

use crate::meter::wrong;
use crate::net::{
    Ep, OutQ, connect, find, flush, frame, parse_101, parse_frame, recv, send, upgrade_request,
};
use crate::sys::now;

/// What a connection awaits.
#[derive(PartialEq, Clone, Copy)]
pub(crate) enum St {
    Free,
    Upgrade,
    Open,
    Sio,
    Join,
    Ready,
}

pub(crate) struct Link {
    pub(crate) fd: i32,
    pub(crate) st: St,
    inb: Vec<u8>,
    out: OutQ,
}

impl Link {
    pub(crate) fn free() -> Link {
        Link { fd: -1, st: St::Free, inb: Vec::new(), out: OutQ::default() }
    }
    #[inline]
    pub(crate) fn send(&mut self, ep: &Ep, id: usize, data: &[u8]) {
        send(ep, self.fd, id, &mut self.out, data);
    }
}

/// What every client sends on its way into the namespace.
pub(crate) struct Hello {
    port: u16,
    up: Vec<u8>,
    c40: Vec<u8>,
    pong: Vec<u8>,
    pub(crate) opens: usize,
}

impl Hello {
    pub(crate) fn new(port: u16) -> Hello {
        Hello {
            port,
            up: upgrade_request(port, None),
            c40: frame(1, b"40").1,
            pong: frame(1, b"3").1,
            opens: 0,
        }
    }
    /// Connects and asks for the upgrade; returns when.
    pub(crate) fn open(&mut self, ep: &Ep, id: usize, l: &mut Link) -> u64 {
        l.fd = connect(self.port, self.opens);
        self.opens += 1;
        l.st = St::Upgrade;
        l.inb.clear();
        l.out.buf.clear();
        let t = now();
        ep.add(l.fd, id);
        l.send(ep, id, &self.up);
        t
    }
}

/// The connections of a workload. What they read is taken apart here; what it means is the workload's business.
pub(crate) trait Clients {
    fn parts(&mut self, ci: usize) -> (&Ep, &Hello, &mut Link);
    /// The namespace has let the client in.
    fn connected(&mut self, ci: usize);
    /// A packet of a client that is `Ready`.
    fn reply(&mut self, ci: usize, p: &[u8]);
    fn join_ack(&mut self, _: usize, _: &[u8]) {
        wrong("a frame in a wrong state")
    }
    fn binary(&mut self, _: usize, _: &[u8]) {
        wrong("an unexpected binary frame")
    }
    fn pinged(&mut self) {}

    fn text(&mut self, ci: usize, p: &[u8]) {
        let (ep, hello, l) = self.parts(ci);
        if p.len() == 1 {
            if p[0] != b'2' {
                wrong("an unexpected one-byte packet");
            }
            l.send(ep, ci, &hello.pong);
            return self.pinged();
        }
        match l.st {
            St::Ready => self.reply(ci, p),
            St::Open => {
                if !p.starts_with(b"0{") || find(p, b"\"pingInterval\":25000").is_none() {
                    wrong(&format!("bad open packet {}", String::from_utf8_lossy(p)));
                }
                l.st = St::Sio;
                l.send(ep, ci, &hello.c40);
            }
            St::Sio => {
                if !p.starts_with(b"40{\"sid\":\"") {
                    wrong(&format!("bad connect answer {}", String::from_utf8_lossy(p)));
                }
                self.connected(ci);
            }
            St::Join => self.join_ack(ci, p),
            _ => wrong("a frame in a wrong state"),
        }
    }
    /// Takes whole frames from b and says how much was used.
    fn feed(&mut self, ci: usize, b: &[u8]) -> usize {
        let mut at = 0;
        let l = self.parts(ci).2;
        if l.st == St::Upgrade {
            let Some(n) = parse_101(b) else { return 0 };
            at = n;
            l.st = St::Open;
        }
        while let Some((op, s, e)) = parse_frame(&b[at..]) {
            let p = &b[at + s..at + e];
            at += e;
            let fd = self.parts(ci).2.fd;
            match op {
                1 => self.text(ci, p),
                2 => self.binary(ci, p),
                9 => {
                    let (ep, _, l) = self.parts(ci);
                    l.send(ep, ci, &frame(10, p).1);
                }
                _ => wrong(&format!("frame opcode {op}: {}", String::from_utf8_lossy(p))),
            }
            // the connection was closed and opened anew under our hands: the rest is of the old one
            let l = self.parts(ci).2;
            if l.st == St::Upgrade || l.fd != fd {
                return b.len();
            }
        }
        at
    }
    /// Serves one event of epoll; true if something was read.
    #[inline]
    fn event(&mut self, ci: usize, ev: u32, buf: &mut [u8]) -> bool {
        let (ep, _, l) = self.parts(ci);
        if ev & libc::EPOLLOUT as u32 != 0 {
            flush(ep, l.fd, ci, &mut l.out);
        }
        if ev & !(libc::EPOLLOUT as u32) == 0 {
            return false;
        }
        let Some(k) = recv(l.fd, buf) else {
            return false;
        };
        if l.inb.is_empty() {
            let used = self.feed(ci, &buf[..k]);
            if used < k {
                self.parts(ci).2.inb.extend_from_slice(&buf[used..k]);
            }
        } else {
            let mut inb = std::mem::take(&mut l.inb);
            inb.extend_from_slice(&buf[..k]);
            let used = self.feed(ci, &inb);
            if used < inb.len() {
                inb.drain(..used);
            } else {
                inb.clear();
            }
            self.parts(ci).2.inb = inb;
        }
        true
    }
}
