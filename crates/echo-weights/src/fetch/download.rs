//! One address to one file, over as many attempts as it takes and is sensible.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use ureq::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use ureq::http::{HeaderMap, HeaderName};
use ureq::{Agent, Body};

use super::FetchOptions;
use super::error::FetchError;
use super::partial::{Origin, Partial};

/// Attempts at one address.
const ATTEMPTS: u32 = 5;
/// Attempts that a server may leave without any answer.
const SILENT_ATTEMPTS: u32 = 2;
/// A server that sends fewer bytes a second has stalled.
const SLOWEST: f64 = 1024.0;

/// Downloads files.
pub(super) struct Client<'a> {
    agent: Agent,
    options: &'a FetchOptions,
}

/// How an attempt fails.
enum Failure {
    /// Another attempt may succeed.
    Passing(String),
    /// There is no answer; hardly will the next attempt have one.
    Silent(String),
    /// None will.
    Final(FetchError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

impl<'a> Client<'a> {
    pub fn new(options: &'a FetchOptions) -> Self {
        let (answer, timeout) = (Some(options.answer), Some(options.timeout));
        let mut config = Agent::config_builder()
            .user_agent(concat!("echozoo/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // A connection whose server sent more than it announced must not serve the next request.
            .max_idle_connections(0)
            .timeout_resolve(answer)
            .timeout_connect(answer)
            .timeout_send_request(answer)
            .timeout_recv_response(answer)
            .timeout_per_read(timeout);
        if !options.proxy {
            config = config.proxy(None);
        }
        Self { agent: config.build().new_agent(), options }
    }

    /// Brings all of `url` to `part`, going on from what is there. Nothing is known yet of what the bytes are.
    pub fn download(&self, url: &str, part: &Partial, progress: &mut dyn FnMut(u64, u64)) -> Result<(), FetchError> {
        let (mut attempt, mut silent) = (1, 0);
        loop {
            match self.attempt(url, part, progress) {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(reason)) if attempt == ATTEMPTS => {
                    return Err(FetchError::Network { url: url.to_owned(), reason });
                }
                Err(Failure::Silent(reason)) if silent + 1 == SILENT_ATTEMPTS || attempt == ATTEMPTS => {
                    return Err(FetchError::Network { url: url.to_owned(), reason });
                }
                Err(failure) => {
                    silent += u32::from(matches!(failure, Failure::Silent(_)));
                    std::thread::sleep(self.options.pause.saturating_mul(1 << (attempt - 1)));
                }
            }
            attempt += 1;
        }
    }

    fn attempt(&self, url: &str, part: &Partial, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Failure> {
        let kept = part.resume(url);
        let mut request = self.agent.get(url).header(ACCEPT_ENCODING, "identity");
        match &kept {
            Some((length, origin)) if *length == origin.total => return Ok(()),
            Some((length, Origin { etag: Some(etag), .. })) => {
                request = request.header(RANGE, format!("bytes={length}-")).header(IF_RANGE, etag);
            }
            _ => {}
        }
        // Nor may a redirect lead out of an encrypted connection.
        let request = request.config().https_only(url.starts_with("https:")).build();
        let response = request.call().map_err(|error| of_request(url, error))?;
        let (head, body) = response.into_parts();
        match (head.status.as_u16(), kept) {
            (200, _) => {
                let origin = self.origin(url, &head.headers, part)?;
                let file = part.begin(&origin)?;
                self.receive(url, body, Arriving { file, part, done: 0, total: origin.total }, progress)
            }
            (206, Some((done, origin))) if continues(&head.headers, done, &origin) => {
                let file = part.append()?;
                self.receive(url, body, Arriving { file, part, done, total: origin.total }, progress)
            }
            (206 | 416, _) => {
                part.discard()?;
                Err(Failure::Passing("it answers with another part of the file than was asked for".to_owned()))
            }
            (status @ (408 | 425 | 429 | 500..), _) => Err(Failure::Passing(format!("it answers {status}"))),
            (status, _) => {
                let hint = match status {
                    401 | 403 => "access is refused; see at the source whether it must be asked for",
                    404 | 410 => "it is gone; see at the source whether it has moved",
                    _ => "which is no answer to a download",
                };
                Err(Failure::Final(FetchError::answer(url, format!("status {status}, {hint}"))))
            }
        }
    }

    /// What a whole answer's headers say of its body; an error if that body cannot be a file of weights.
    fn origin(&self, url: &str, headers: &HeaderMap, part: &Partial) -> Result<Origin, Failure> {
        let refused = |reason: String| {
            part.discard()?;
            Err(Failure::Final(FetchError::answer(url, reason)))
        };
        if text(headers, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) {
            return refused("it is a web page; open the address in a browser to see what it wants".to_owned());
        }
        let limit = self.options.limit;
        match text(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
            None => refused("it does not say how long the file is, so a cut would go unnoticed".to_owned()),
            Some(0) => refused("it is empty".to_owned()),
            Some(total) if total > limit => refused(format!("{total} bytes are more than the {limit} allowed")),
            Some(total) => {
                // A weak one names no bytes.
                let etag = text(headers, ETAG).filter(|etag| etag.starts_with('"'));
                Ok(Origin { url: url.to_owned(), etag: etag.map(str::to_owned), total })
            }
        }
    }

    fn receive(
        &self,
        url: &str,
        body: Body,
        arriving: Arriving<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Failure> {
        let Arriving { mut file, part, mut done, total } = arriving;
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 1 << 16];
        let (mut window, mut done_before) = (Instant::now(), done);
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::Passing(format!("it breaks off at {done} of {total} bytes: {error}")));
                }
            };
            if count as u64 > total - done {
                part.discard()?;
                return Err(Failure::Final(FetchError::answer(url, format!("more than the {total} bytes announced"))));
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(FetchError::io(&part.path))?;
            done += count as u64;
            progress(done, total);
            if window.elapsed() >= self.options.timeout {
                if ((done - done_before) as f64) < SLOWEST * window.elapsed().as_secs_f64() {
                    return Err(Failure::Passing(format!("it stalls at {done} of {total} bytes")));
                }
                (window, done_before) = (Instant::now(), done);
            }
        }
        if done < total {
            return Err(Failure::Passing(format!("it breaks off at {done} of {total} bytes")));
        }
        file.sync_all().map_err(FetchError::io(&part.path))?;
        Ok(())
    }
}

/// A file whose bytes are coming in: `done` of `total` so far.
struct Arriving<'a> {
    file: std::fs::File,
    part: &'a Partial,
    done: u64,
    total: u64,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether an answer of status 206 is the rest of `origin` from byte `done` on.
fn continues(headers: &HeaderMap, done: u64, origin: &Origin) -> bool {
    let range = || {
        let (range, total) = text(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
        let (start, _) = range.split_once('-')?;
        Some((start.parse().ok()?, total.parse().ok()?))
    };
    range() == Some((done, origin.total)) && text(headers, ETAG).is_none_or(|etag| Some(etag) == origin.etag.as_deref())
}

/// What a request's failure means for the next one.
fn of_request(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error::{ConnectProxyFailed, ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    match error {
        Timeout(_) => Failure::Silent(error.to_string()),
        Io(_) | HostNotFound | ConnectionFailed | Protocol(_) | ConnectProxyFailed(_) => {
            Failure::Passing(error.to_string())
        }
        error => Failure::Final(FetchError::answer(url, error)),
    }
}
