//! Sockets, epoll and WebSocket frames.

use crate::meter::wrong;
use crate::sys::now;

pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
pub(crate) const WS_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const WS_ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

pub(crate) struct Ep {
    fd: i32,
    pub(crate) ev: Vec<libc::epoll_event>,
    block: bool,
}
impl Ep {
    pub(crate) fn new(block: bool) -> Ep {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::epoll_create1(0) };
        Ep { fd, ev: vec![libc::epoll_event { events: 0, u64: 0 }; 1024], block }
    }
    pub(crate) fn add(&self, fd: i32, id: usize) {
        let mut e = libc::epoll_event { events: libc::EPOLLIN as u32, u64: id as u64 };
        // SAFETY: `e` outlives the call, which only reads it.
        unsafe { libc::epoll_ctl(self.fd, libc::EPOLL_CTL_ADD, fd, &mut e) };
    }
    /// Tells of events in `other` as of one of its own.
    pub(crate) fn nest(&self, other: &Ep, id: usize) {
        self.add(other.fd, id);
    }
    pub(crate) fn want_out(&self, fd: i32, id: usize, on: bool) {
        let ev = libc::EPOLLIN as u32 | if on { libc::EPOLLOUT as u32 } else { 0 };
        let mut e = libc::epoll_event { events: ev, u64: id as u64 };
        // SAFETY: `e` outlives the call, which only reads it.
        unsafe { libc::epoll_ctl(self.fd, libc::EPOLL_CTL_MOD, fd, &mut e) };
    }
    /// Polls without sleeping (the server then never pays for waking us); returns (events, idle nanoseconds, now).
    pub(crate) fn wait(&mut self, t: u64) -> (usize, u64, u64) {
        let to = if self.block { 100 } else { 0 };
        // SAFETY: the kernel writes at most `ev.len()` events to `ev`.
        let n = unsafe { libc::epoll_wait(self.fd, self.ev.as_mut_ptr(), self.ev.len() as i32, to) };
        let t1 = now();
        let n = n.max(0) as usize;
        (n, if n == 0 || self.block { t1 - t } else { 0 }, t1)
    }
}

/// Connects from a rotating 127.0.0.x source address, so that ports do not run out.
pub(crate) fn connect(port: u16, i: usize) -> i32 {
    // SAFETY: every pointer is to a local that outlives its call, and goes with that local's size.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            wrong("out of file descriptors");
        }
        let one: i32 = 1;
        let so = |lvl, opt| {
            libc::setsockopt(fd, lvl, opt, &one as *const i32 as *const libc::c_void, 4);
        };
        so(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
        so(libc::IPPROTO_TCP, libc::TCP_NODELAY);
        let addr = |ip: u32, port: u16| libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: ip.to_be() },
            sin_zero: [0; 8],
        };
        let src = addr(0x7f000002 + (i % 50) as u32, 0);
        let sz = std::mem::size_of::<libc::sockaddr_in>() as u32;
        libc::bind(fd, &src as *const _ as *const libc::sockaddr, sz);
        let dst = addr(0x7f000001, port);
        if libc::connect(fd, &dst as *const _ as *const libc::sockaddr, sz) != 0 {
            wrong(&format!("connect: {}", std::io::Error::last_os_error()));
        }
        fd
    }
}

pub(crate) fn close(fd: i32) {
    // SAFETY: the call takes no pointer, and the caller forgets the descriptor.
    unsafe { libc::close(fd) };
}

/// What is still to be written after a short write.
#[derive(Default)]
pub(crate) struct OutQ {
    pub(crate) buf: Vec<u8>,
}

/// Writes without blocking; what does not fit is queued and EPOLLOUT asked for.
pub(crate) fn send(ep: &Ep, fd: i32, id: usize, q: &mut OutQ, data: &[u8]) {
    if !q.buf.is_empty() {
        q.buf.extend_from_slice(data);
        return;
    }
    // SAFETY: pointer and length are those of one slice.
    let n = unsafe {
        libc::send(fd, data.as_ptr() as *const _, data.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    let n = if n < 0 {
        match errno() {
            libc::EAGAIN => 0,
            e => wrong(&format!("send: errno {e}")),
        }
    } else {
        n as usize
    };
    if n < data.len() {
        q.buf.extend_from_slice(&data[n..]);
        ep.want_out(fd, id, true);
    }
}
pub(crate) fn flush(ep: &Ep, fd: i32, id: usize, q: &mut OutQ) {
    let data = std::mem::take(&mut q.buf);
    send(ep, fd, id, q, &data);
    if q.buf.is_empty() {
        ep.want_out(fd, id, false);
    }
}
/// One non-blocking read; None when there is nothing, an end of stream is the server's error.
#[inline]
pub(crate) fn recv(fd: i32, buf: &mut [u8]) -> Option<usize> {
    // SAFETY: pointer and length are those of one slice.
    let n = unsafe { libc::recv(fd, buf.as_mut_ptr() as *mut _, buf.len(), libc::MSG_DONTWAIT) };
    if n > 0 {
        return Some(n as usize);
    }
    if n == 0 {
        wrong("the server closed a connection");
    }
    match errno() {
        libc::EAGAIN | libc::EINTR => None,
        e => wrong(&format!("recv: errno {e}")),
    }
}

/// Header length and whole frame of a masked client frame.
pub(crate) fn frame(op: u8, payload: &[u8]) -> (usize, Vec<u8>) {
    let mut f = vec![0x80 | op];
    match payload.len() {
        n @ 0..=125 => f.push(0x80 | n as u8),
        n @ 126..=65535 => {
            f.push(0x80 | 126);
            f.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            f.push(0x80 | 127);
            f.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    f.extend_from_slice(&MASK);
    let h = f.len();
    f.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i % 4]));
    (h, f)
}

/// One complete server frame at the start of b: (opcode, payload start, end).
#[inline]
pub(crate) fn parse_frame(b: &[u8]) -> Option<(u8, usize, usize)> {
    if b.len() < 2 {
        return None;
    }
    if b[0] & 0xf0 != 0x80 || b[1] & 0x80 != 0 {
        wrong("a fragmented, masked or compressed server frame");
    }
    let (h, n) = match b[1] {
        126 => {
            if b.len() < 4 {
                return None;
            }
            (4, u16::from_be_bytes([b[2], b[3]]) as usize)
        }
        127 => {
            if b.len() < 10 {
                return None;
            }
            (10, u64::from_be_bytes(b[2..10].try_into().unwrap()) as usize)
        }
        n => (2, n as usize),
    };
    if b.len() < h + n { None } else { Some((b[0] & 15, h, h + n)) }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
#[inline]
pub(crate) fn hex8(v: u32) -> [u8; 8] {
    let mut o = [0; 8];
    for (i, x) in o.iter_mut().enumerate() {
        *x = HEX[((v >> (28 - 4 * i)) & 15) as usize];
    }
    o
}
#[inline]
pub(crate) fn unhex8(b: &[u8]) -> Option<u32> {
    let mut v = 0u32;
    for c in b {
        let d = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        v = v << 4 | d as u32;
    }
    Some(v)
}

/// A payload of `size` characters: 8 hex digits of owner, 8 of sequence number, then filler.
pub(crate) fn payload(size: usize, owner: u32) -> Vec<u8> {
    let mut p = Vec::with_capacity(size);
    p.extend_from_slice(&hex8(owner));
    p.extend_from_slice(&hex8(0));
    let fill = b"The quick brown fox jumps over the lazy dog, 0123456789 times. ";
    p.extend(fill.iter().cycle().take(size.saturating_sub(16)));
    p
}

pub(crate) fn upgrade_request(port: u16, sid: Option<&str>) -> Vec<u8> {
    let sid = sid.map(|s| format!("&sid={s}")).unwrap_or_default();
    format!(
        "GET /socket.io/?EIO=4&transport=websocket{sid} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WS_KEY}\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    h.windows(n.len()).position(|w| w == n)
}

/// Checks a 101 answer at the start of b; its length when complete.
pub(crate) fn parse_101(b: &[u8]) -> Option<usize> {
    let e = find(b, b"\r\n\r\n")? + 4;
    if !b.starts_with(b"HTTP/1.1 101") || find(&b[..e], WS_ACCEPT).is_none() {
        wrong(&format!("bad upgrade answer: {}", String::from_utf8_lossy(&b[..e])));
    }
    Some(e)
}
