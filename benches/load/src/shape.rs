//! Frames that are built once per connection, the places in them that change, and the replies that are due.

use crate::meter::wrong;
use crate::net::{MASK, frame, hex8, payload, unhex8};

#[derive(PartialEq, Clone, Copy)]
pub(crate) enum Kind {
    Echo,
    Ack,
    Bin,
}

/// Where the sequence number lies, for the patching of frames and of what is expected.
#[derive(Default)]
pub(crate) struct Shape {
    flen: usize,
    fseq: usize,            // in the frame: offset of the sequence digits
    pseq: usize,            // in the frame's payload: the same, for the mask
    pub(crate) eseq: usize, // in the expected reply
    id: bool,               // 7-digit ack id at payload offset 2 in both
}

impl Shape {
    /// The shape of all messages of a kind; one connection's frame and the reply to it.
    pub(crate) fn build(kind: Kind, size: usize, owner: u32) -> (Shape, Vec<u8>, Vec<u8>) {
        let p = payload(size, owner);
        let wrap = |pre: &str, p: &[u8], post: &str| [pre.as_bytes(), p, post.as_bytes()].concat();
        let (pre, epre, post) = match kind {
            Kind::Echo => ("42[\"message\",\"", "42[\"message-back\",\"", "\"]"),
            Kind::Ack => ("420000000[\"message-with-ack\",\"", "430000000[\"", "\"]"),
            Kind::Bin => ("", "", ""),
        };
        let (h, mut one) = frame(if kind == Kind::Bin { 2 } else { 1 }, &wrap(pre, &p, post));
        let mut shift = 0;
        if kind == Kind::Bin {
            let t = frame(1, b"451-[\"message\",{\"_placeholder\":true,\"num\":0}]").1;
            shift = t.len();
            one = [t, one].concat();
        }
        let shape = Shape {
            flen: one.len(),
            fseq: shift + h + pre.len() + 8,
            pseq: pre.len() + 8,
            eseq: epre.len() + 8,
            id: kind == Kind::Ack,
        };
        (shape, one, wrap(epre, &p, post))
    }
    /// Numbers the k-th of the frames in a row.
    #[inline]
    pub(crate) fn number(&self, f: &mut [u8], k: usize, seq: u32) {
        let at = k * self.flen;
        patch(f, at + self.fseq, self.pseq, &hex8(seq));
        if self.id {
            patch(f, at + self.fseq - self.pseq + 2, 2, &dec7(seq));
        }
    }
    /// Checks a reply against the one expected, after numbering that.
    #[inline]
    pub(crate) fn check(&self, expect: &mut [u8], seq: u32, p: &[u8]) {
        expect[self.eseq..self.eseq + 8].copy_from_slice(&hex8(seq));
        if self.id {
            expect[2..9].copy_from_slice(&dec7(seq));
        }
        if p != expect {
            wrong(&format!("wrong reply {:.200}", String::from_utf8_lossy(p)));
        }
    }
}

#[inline]
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

/// What the server sends to many.
#[derive(Default)]
pub(crate) struct Delivery {
    prefix: Vec<u8>,
    tail: Vec<u8>,
    size: usize,
}

impl Delivery {
    pub(crate) fn new(event: &str, size: usize) -> Delivery {
        let prefix = format!("42[\"{event}\",\"").into_bytes();
        Delivery { prefix, tail: [&payload(size, 0)[16..], b"\"]"].concat(), size }
    }
    /// Whether it is this event at all.
    #[inline]
    pub(crate) fn is(&self, p: &[u8]) -> bool {
        p.starts_with(&self.prefix)
    }
    /// Owner and sequence number of a delivery that is right in all else.
    #[inline]
    pub(crate) fn read(&self, p: &[u8]) -> (u32, u32) {
        let pl = self.prefix.len();
        if p.len() != pl + self.size + 2 || p[..pl] != self.prefix[..] || p[pl + 16..] != self.tail[..] {
            wrong(&format!("wrong delivery {:.200}", String::from_utf8_lossy(p)));
        }
        let (Some(owner), Some(seq)) = (unhex8(&p[pl..pl + 8]), unhex8(&p[pl + 8..pl + 16])) else {
            wrong("wrong delivery digits")
        };
        (owner, seq)
    }
}

/// The frame that makes the server send to many: `pre`, the numbered payload, and the end of the event.
pub(crate) fn emit_frame(pre: &str, size: usize, owner: u32, seq: u32) -> Vec<u8> {
    let mut p = payload(size, owner);
    p[8..16].copy_from_slice(&hex8(seq));
    frame(1, &[pre.as_bytes(), &p, b"\"]"].concat()).1
}
