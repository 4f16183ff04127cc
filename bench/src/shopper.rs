//! One connection to the shops' HTTP, as cheap as can be: callers share the cores with the servers they measure.

use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// Longest head and body of an answer that is kept. The shops' pages are far shorter.
const MAX_ANSWER: usize = 4 << 20;

/// Bytes of a download that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// One connection that is kept open and asks one thing at a time.
#[derive(Debug)]
pub struct Shopper {
    stream: TcpStream,
    port: u16,
    /// What was read: the newest answer, then what came behind it.
    buffer: Vec<u8>,
    /// Length of the newest answer.
    used: usize,
    /// The server closes after the newest answer.
    closing: bool,
}

/// An answer, as long as the next question is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// An answer to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, if the request succeeded.
    ///
    /// # Errors
    /// It did not, or the body is something else.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        if (200..300).contains(&self.status) {
            serde_json::from_slice(&self.body).map_err(Failure::from)
        } else {
            Err(format!("{}: {}", self.status, String::from_utf8_lossy(&self.body)).into())
        }
    }
}

/// A body of any length that was read and let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// Bytes of the body.
    pub bytes: u64,
    /// Ends of lines among them.
    pub lines: u64,
    /// The last bytes, eight at most.
    pub tail: Vec<u8>,
}

/// A request as it goes over the wire. `token`, `key` and `body` may be empty.
#[must_use]
pub fn request(method: &str, path: &str, token: &str, key: &str, body: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + path.len() + token.len() + body.len());
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    put(&[method, " ", path, " HTTP/1.1\r\nhost: localhost\r\n"]);
    if !token.is_empty() {
        put(&["authorization: Bearer ", token, "\r\n"]);
    }
    if !key.is_empty() {
        put(&["idempotency-key: ", key, "\r\n"]);
    }
    if !body.is_empty() {
        put(&["content-type: application/json\r\ncontent-length: ", &body.len().to_string(), "\r\n"]);
    }
    put(&["\r\n", body]);
    out
}

impl Shopper {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, port, buffer: Vec::with_capacity(4096), used: 0, closing: false })
    }

    /// Connects as soon as somebody listens there.
    ///
    /// # Errors
    /// Nobody did within `patience`.
    pub async fn connect_within(port: u16, patience: Duration) -> Result<Self, Failure> {
        let tries = async {
            loop {
                match Self::connect(port).await {
                    Ok(shopper) => return shopper,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        Ok(tokio::time::timeout(patience, tries).await?)
    }

    /// Sends a request and reads the answer. Not cancel safe: a dropped call leaves the connection unusable.
    ///
    /// # Errors
    /// The connection broke, or the answer is not HTTP/1.1 with a length.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>, Failure> {
        if self.closing {
            *self = Self::connect(self.port).await?;
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        self.stream.write_all(request).await?;
        let head = loop {
            match Head::parse(&self.buffer)? {
                Some(head) if self.buffer.len() >= head.body.end => break head,
                _ if self.buffer.len() > MAX_ANSWER => return Err("the answer is too long".into()),
                _ if self.stream.read_buf(&mut self.buffer).await? == 0 => {
                    return Err("the server closed the connection".into());
                }
                _ => {}
            }
        };
        (self.used, self.closing) = (head.body.end, head.closing);
        Ok(Reply { status: head.status, body: &self.buffer[head.body] })
    }

    /// The same, with an answer to keep.
    ///
    /// # Errors
    /// As [`Shopper::exchange`].
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        let Reply { status, body } = self.exchange(request).await?;
        Ok(Answer { status, body: body.to_vec() })
    }

    /// Reads what is at a path to its end and counts it. Asked by HTTP/1.0, so that the body is the rest of the connection.
    ///
    /// # Errors
    /// The connection broke, or the server refused.
    pub async fn download(mut self, path: &str, token: &str) -> Result<Download, Failure> {
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let body = loop {
            if self.stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(end) = end_of_head(&buffer) {
                break end;
            }
        };
        if status(&buffer)? != 200 {
            return Err(String::from_utf8_lossy(&buffer).into());
        }
        buffer.drain(..body);
        let mut download = Download::default();
        loop {
            download.take(&buffer);
            buffer.clear();
            if self.stream.read_buf(&mut buffer).await? == 0 {
                return Ok(download);
            }
        }
    }
}

impl Download {
    fn take(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        self.lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.tail.extend_from_slice(&part[part.len().saturating_sub(8)..]);
        self.tail.drain(..self.tail.len().saturating_sub(8));
    }
}

/// What is known of an answer when its head is there.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body: Range<usize>,
    closing: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = end_of_head(bytes) else { return Ok(None) };
        let status = status(bytes)?;
        let (mut length, mut closing) = (None, false);
        for line in std::str::from_utf8(&bytes[..end])?.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<usize>()?);
            } else if name.eq_ignore_ascii_case("connection") {
                closing = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let length = match length {
            Some(length) if length <= MAX_ANSWER => length,
            None if status == 204 || status == 304 => 0,
            _ => return Err("an answer without a sensible length".into()),
        };
        Ok(Some(Self { status, body: end..end + length, closing }))
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn status(head: &[u8]) -> Result<u16, Failure> {
    let digits = head.get(9..12).ok_or("no status")?;
    Ok(std::str::from_utf8(digits)?.parse()?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Download, Head, Shopper, request};

    #[test]
    fn heads_are_read() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}HTTP/1.1 409";
        let head = Head::parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, &bytes[head.body.clone()], head.closing), (201, b"{}".as_slice(), true));
        assert!(Head::parse(&bytes[head.body.end..]).unwrap().is_none());
        for wrong in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "x\r\n\r\n"]
        {
            assert!(Head::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_have_what_they_need() {
        let text = String::from_utf8(request("POST", "/x", "t", "k", "{}")).unwrap();
        assert!(text.contains("authorization: Bearer t\r\n") && text.ends_with("content-length: 2\r\n\r\n{}"));
        assert_eq!(request("GET", "/", "", "", ""), b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }

    #[tokio::test]
    async fn answers_are_read_one_by_one_however_they_come() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for part in [
                "HTTP/1.1 200 OK\r\ncontent-le",
                "ngth: 3\r\n\r\none",
                "HTTP/1.1 409 No\r\ncontent-length: 3\r\n\r\ntwo",
            ] {
                let _asked = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(part.as_bytes()).await.unwrap();
            }
        });
        let mut shopper = Shopper::connect(port).await.unwrap();
        // The second question lets the server send the rest of the first answer.
        shopper.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let first = shopper.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((first.status, first.body), (200, b"one".as_slice()));
        let second = shopper.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((second.status, second.body), (409, b"two".as_slice()));
        server.await.unwrap();
        assert!(shopper.exchange(b"GET / HTTP/1.1\r\n\r\n").await.is_err());
    }

    #[test]
    fn downloads_are_counted() {
        let mut download = Download::default();
        for part in ["a\nb", "", "c\n", "0123456789"] {
            download.take(part.as_bytes());
        }
        assert_eq!((download.bytes, download.lines, download.tail.as_slice()), (15, 2, b"23456789".as_slice()));
    }
}
