//! Syslog messages (RFC 5424) over UDP (RFC 5426) or TCP with octet counting (RFC 6587 §3.4.1).

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant};

use crate::config::SyslogAddress;

/// How long connecting and one message may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Pause after a failure before the server is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// `local0`.
const FACILITY: u8 = 16;

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// A syslog server.
pub(super) struct Syslog {
    to: SyslogAddress,
    link: Option<Link>,
    again: Option<Instant>,
}

impl Syslog {
    pub(super) fn new(to: SyslogAddress) -> Self {
        Self { to, link: None, again: None }
    }

    /// Sends one message; `severity` is that of syslog (0 to 7). After a failure nothing is tried for a second.
    pub(super) fn send(&mut self, severity: u8, at_ms: u64, text: &[u8]) -> io::Result<()> {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let sent = self.try_send(&message(severity, at_ms, text));
        self.again = sent.is_err().then(|| Instant::now() + PAUSE);
        if sent.is_err() {
            self.link = None;
        }
        sent
    }

    fn try_send(&mut self, message: &[u8]) -> io::Result<()> {
        let link = match &mut self.link {
            Some(link) => link,
            none => none.insert(connect(&self.to)?),
        };
        match link {
            Link::Udp(socket) => socket.send(message).map(drop),
            Link::Tcp(stream) => {
                let mut framed = format!("{} ", message.len()).into_bytes();
                framed.extend_from_slice(message);
                stream.write_all(&framed)
            }
        }
    }
}

fn connect(to: &SyslogAddress) -> io::Result<Link> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in to.address.to_socket_addrs()? {
        let link = if to.tcp {
            TcpStream::connect_timeout(&address, LIMIT).and_then(|stream| {
                stream.set_write_timeout(Some(LIMIT))?;
                Ok(Link::Tcp(stream))
            })
        } else {
            let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(own).and_then(|socket| {
                socket.connect(address)?;
                Ok(Link::Udp(socket))
            })
        };
        match link {
            Ok(link) => return Ok(link),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// `<PRI>1 TIMESTAMP - aimds PID detection - TEXT`; the host is left to the server, which sees the sender.
fn message(severity: u8, at_ms: u64, text: &[u8]) -> Vec<u8> {
    let priority = FACILITY * 8 + severity.min(7);
    let mut message =
        format!("<{priority}>1 {} - aimds {} detection - ", timestamp(at_ms), std::process::id())
            .into_bytes();
    message.extend_from_slice(text);
    message
}

/// RFC 3339, in UTC with milliseconds. Days to dates after Hinnant, "chrono-compatible low-level date algorithms".
fn timestamp(at_ms: u64) -> String {
    let (days, in_day) = (at_ms / 86_400_000, at_ms % 86_400_000);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn times_are_dates() {
        for (at_ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ] {
            assert_eq!(timestamp(at_ms), expected);
        }
    }

    #[test]
    fn a_server_that_comes_back_is_told_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut syslog = Syslog::new(SyslogAddress { tcp: true, address: address.clone() });
        syslog.send(4, 0, b"CEF:0|x").unwrap();
        let mut buffer = [0; 256];
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert!(message.starts_with("<132>1 1970-01-01T00:00:00.000Z - aimds "), "{message}");
        assert!(message.ends_with(" detection - CEF:0|x"), "{message}");
        drop((stream, listener));
        // The first message after the end of a connection may still go into it.
        let failed = (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            syslog.send(4, 0, b"lost").is_err()
        });
        assert!(failed && syslog.send(4, 0, b"at once").is_err());
        let listener = TcpListener::bind(&address).unwrap();
        std::thread::sleep(PAUSE + Duration::from_millis(50));
        syslog.send(4, 0, b"back").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut buffer).unwrap();
        assert!(buffer[..read].ends_with(b"back"));
    }
}
