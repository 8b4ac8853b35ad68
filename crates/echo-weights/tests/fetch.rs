//! Downloads from a server on this machine that does everything a server may do wrong.

#![allow(missing_docs)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use echo_weights::{FetchError, FetchOptions, RemoteFile, check_fetched, fetch, licence_accepted};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Request {
    path: String,
    /// First byte of `Range`.
    from: Option<usize>,
    if_range: Option<String>,
}

/// Answers one request.
type Answer = Arc<dyn Fn(&Request, &mut TcpStream) + Send + Sync>;

/// Answers requests in order, the last answer again and again.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Server {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Self { url, requests: requests.clone(), answers: answers.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut stream, mut request) = (stream, Request::default());
                for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                    match line.to_lowercase().split_once(": ") {
                        None if line.is_empty() => break,
                        None => request.path = line.split(' ').nth(1).unwrap().to_owned(),
                        Some(("range", range)) => {
                            request.from = Some(range["bytes=".len()..range.len() - 1].parse().unwrap());
                        }
                        Some(("if-range", _)) => request.if_range = Some(line["if-range: ".len()..].to_owned()),
                        _ => {}
                    }
                }
                let answer = {
                    let mut answers = answers.lock().unwrap();
                    if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
                };
                requests.lock().unwrap().push(request.clone());
                answer(&request, &mut stream);
            }
        });
        server
    }

    fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.answers.lock().unwrap() = answers.into_iter().collect();
    }

    fn url(&self) -> String {
        format!("{}/file", self.url)
    }

    /// The first byte that each request so far asked for.
    fn asked(&self) -> Vec<Option<usize>> {
        self.requests.lock().unwrap().iter().map(|request| request.from).collect()
    }
}

/// Writes what the client may no longer want to read.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
}

/// Waits until the client hangs up.
fn wait(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(9)));
    let _ = stream.read(&mut [0]);
}

fn raw(head: &str, body: &[u8]) -> Answer {
    let bytes = [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat();
    Arc::new(move |_, stream| {
        send(stream, &bytes);
    })
}

fn status(code: u16) -> Answer {
    raw(&format!("{code} Something\r\nContent-Length: 4"), b"oops")
}

/// A well-behaved server of `bytes`, until it has sent byte `until` of them and does `then`.
fn until(bytes: &[u8], etag: &'static str, until: usize, then: fn(&mut TcpStream)) -> Answer {
    let bytes = bytes.to_vec();
    Arc::new(move |request, stream| {
        let from = request.from.filter(|_| request.if_range.as_deref() == Some(etag));
        let total = bytes.len();
        let mut head = match from {
            Some(from) => format!("HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{total}\r\n", total - 1),
            None => "HTTP/1.1 200 OK\r\n".to_owned(),
        };
        let from = from.unwrap_or(0);
        head.push_str(&format!("Content-Length: {}\r\n", total - from));
        if !etag.is_empty() {
            head.push_str(&format!("ETag: {etag}\r\n"));
        }
        send(stream, format!("{head}\r\n").as_bytes());
        send(stream, &bytes[from..until.clamp(from, total)]);
        then(stream);
    })
}

const ETAG: &str = "\"one\"";

fn whole(bytes: &[u8]) -> Answer {
    until(bytes, ETAG, bytes.len(), |_| ())
}

fn cut(bytes: &[u8], at: usize) -> Answer {
    until(bytes, ETAG, at, |_| ())
}

/// Something that could be a PyTorch file, by its first byte.
fn weights(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|index| (index * 31 % 251) as u8 ^ seed).collect();
    bytes[0] = 0x80;
    bytes
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn options() -> FetchOptions {
    let (answer, timeout) = (Duration::from_secs(10), Duration::from_secs(10));
    FetchOptions { answer, timeout, pause: Duration::from_millis(1), limit: 1 << 20, proxy: false }
}

/// For tests in which something does not answer.
fn impatient() -> FetchOptions {
    let (answer, timeout) = (Duration::from_millis(200), Duration::from_millis(200));
    FetchOptions { answer, timeout, ..options() }
}

/// A folder for weights, in another where nothing else may appear.
struct Place {
    outer: tempfile::TempDir,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("outer/weights");
        Self { outer, dir }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(name)).unwrap()
    }

    /// Names of all files, from the outermost folder on, but the list and the lock.
    fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), found),
                    false => found.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        let mut found = Vec::new();
        walk(self.outer.path(), &mut found);
        found.retain(|name| !["weights.json", "weights.lock"].contains(&name.as_str()));
        found.sort();
        found
    }

    fn get_with(&self, options: &FetchOptions, url: &str, member: Option<&str>) -> Result<Vec<PathBuf>, FetchError> {
        fetch(&self.dir, "MIT", &[RemoteFile { name: "a.pt", url, member }], options, &mut |_, _, _| ())
    }

    fn get(&self, url: &str) -> Result<Vec<PathBuf>, FetchError> {
        self.get_with(&options(), url, None)
    }

    /// The error of a download that must fail and leave nothing under the file's name.
    fn fail_with(&self, options: &FetchOptions, url: &str, member: Option<&str>) -> FetchError {
        let error = self.get_with(options, url, member).unwrap_err();
        let left: Vec<String> = self.files().into_iter().filter(|name| !name.contains(".part")).collect();
        assert!(left.is_empty(), "{error} leaves {left:?}");
        assert!(check_fetched(&self.dir, &[RemoteFile { name: "a.pt", url, member }]).is_err(), "{error}");
        error
    }

    fn fail(&self, url: &str) -> FetchError {
        self.fail_with(&options(), url, None)
    }
}

fn is_answer(error: &FetchError, words: &str) -> bool {
    matches!(error, FetchError::Answer { .. }) && error.to_string().contains(words)
}

fn is_network(error: &FetchError, words: &str) -> bool {
    matches!(error, FetchError::Network { .. }) && error.to_string().contains(words)
}

#[test]
fn a_download_is_checked_ever_after_and_not_repeated() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([whole(&bytes)]);
    let url = server.url();
    let file = RemoteFile { name: "a.pt", url: &url, member: None };
    assert!(matches!(check_fetched(&place.dir, &[file]), Err(FetchError::Absent { .. })));
    assert!(!licence_accepted(&place.dir, "MIT").unwrap());
    let mut seen = Vec::new();
    let paths = fetch(&place.dir, "MIT", &[file], &options(), &mut |name, done, total| {
        seen.push((name.to_owned(), done, total));
    });
    assert_eq!(paths.unwrap(), [place.dir.join("a.pt")]);
    assert_eq!(place.read("a.pt"), bytes);
    assert_eq!(seen.last().unwrap(), &("a.pt".to_owned(), 5000, 5000));
    assert_eq!(place.files(), ["a.pt"], "nothing but the file is left");
    assert!(licence_accepted(&place.dir, "MIT").unwrap() && !licence_accepted(&place.dir, "GPL").unwrap());
    let list = String::from_utf8(place.read("weights.json")).unwrap();
    assert!(list.contains(&blake3::hash(&bytes).to_hex().to_string()), "{list}");

    place.get(&url).unwrap();
    assert_eq!(server.asked().len(), 1, "it is there already");
    assert_eq!(check_fetched(&place.dir, &[file]).unwrap(), [place.dir.join("a.pt")]);
    #[cfg(unix)]
    {
        let path = place.dir.join("a.pt");
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(check_fetched(&place.dir, &[file]).unwrap_err().to_string().contains("a pipe"));
        std::fs::remove_file(&path).unwrap();
    }
    let mut changed = bytes.clone();
    changed[4000] ^= 1;
    std::fs::write(place.dir.join("a.pt"), &changed).unwrap();
    for result in [place.get(&url), check_fetched(&place.dir, &[file])] {
        let error = result.unwrap_err();
        assert!(matches!(error, FetchError::Checksum { .. }) && error.to_string().contains("delete it"), "{error}");
    }
    assert_eq!(place.read("a.pt"), changed, "it is the user's to delete");
}

#[test]
fn other_bytes_than_the_first_time_are_refused() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([whole(&bytes), whole(&weights(2, 5000)), whole(&bytes)]);
    place.get(&server.url()).unwrap();
    std::fs::remove_file(place.dir.join("a.pt")).unwrap();
    let error = place.fail(&server.url());
    assert!(matches!(&error, FetchError::Checksum { .. }) && error.to_string().contains("something else"), "{error}");
    assert!(place.files().is_empty(), "wrong bytes are not kept to go on from: {:?}", place.files());
    place.get(&server.url()).unwrap();
    assert_eq!(place.read("a.pt"), bytes);
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_stopped() {
    let (place, bytes) = (Place::new(), weights(1, 300_000));
    let server = Server::new([cut(&bytes, 100_000), cut(&bytes, 200_000), whole(&bytes)]);
    place.get(&server.url()).unwrap();
    assert_eq!(place.read("a.pt"), bytes);
    assert_eq!(server.asked(), [None, Some(100_000), Some(200_000)]);
    let conditions = server.requests.lock().unwrap().iter().map(|request| request.if_range.clone()).collect::<Vec<_>>();
    assert_eq!(conditions, [None, Some(ETAG.to_owned()), Some(ETAG.to_owned())], "only if it has not changed");
}

#[test]
fn a_run_goes_on_from_where_the_last_one_gave_up() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([cut(&bytes, 1000)]);
    let error = place.fail(&server.url());
    assert!(is_network(&error, "breaks off at 1000 of 5000"), "{error}");
    assert_eq!(server.asked().len(), 5);
    server.then([whole(&bytes)]);
    place.get(&server.url()).unwrap();
    assert_eq!((place.read("a.pt"), server.asked().last().unwrap()), (bytes, &Some(1000)));
}

#[test]
fn bytes_of_two_versions_are_never_joined() {
    let (old, new) = (weights(1, 5000), weights(2, 5000));
    let rest = |head: &str, from: usize| raw(&format!("206 Partial\r\n{head}"), &new[from..]);
    let second = |server: Server| {
        let place = Place::new();
        place.get(&server.url()).unwrap();
        assert_eq!(place.read("a.pt"), new);
        server.asked()
    };
    let newer = || until(&new, "\"two\"", 5000, |_| ());
    assert_eq!(second(Server::new([cut(&old, 1000), newer()])), [None, Some(1000)], "changed: sent whole");
    let ignoring = rest("Content-Range: bytes 1000-4999/5000\r\nContent-Length: 4000\r\nETag: \"two\"", 1000);
    let asked = second(Server::new([cut(&old, 1000), ignoring, newer()]));
    assert_eq!(asked, [None, Some(1000), None], "changed, but its rest sent all the same");
    let weak = until(&old, "W/\"one\"", 1000, |_| ());
    assert_eq!(second(Server::new([weak, newer()])), [None, None], "an ETag that names no bytes");
    let nameless = until(&old, "", 1000, |_| ());
    assert_eq!(second(Server::new([nameless, newer()])), [None, None], "no ETag");
    let elsewhere = rest("Content-Range: bytes 900-4999/5000\r\nContent-Length: 4100", 900);
    assert_eq!(second(Server::new([cut(&new, 1000), elsewhere, newer()])), [None, Some(1000), None], "another part");
    let longer = rest("Content-Range: bytes 1000-4999/6000\r\nContent-Length: 4000", 1000);
    assert_eq!(second(Server::new([cut(&new, 1000), longer, newer()])), [None, Some(1000), None], "another length");
    let asked = second(Server::new([cut(&old, 1000), status(416), newer()]));
    assert_eq!(asked, [None, Some(1000), None], "out of range");
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let ignores = raw("200 OK\r\nContent-Length: 5000\r\nETag: \"one\"", &bytes);
    let server = Server::new([cut(&bytes, 1000), ignores]);
    place.get(&server.url()).unwrap();
    assert_eq!((place.read("a.pt"), server.asked()), (bytes, vec![None, Some(1000)]));
}

#[test]
fn lengths_that_are_not_true_are_noticed() {
    let bytes = archive(&[("data.pkl", &weights(1, 5000))]);
    let stated = |length: usize| raw(&format!("200 OK\r\nContent-Length: {length}"), &bytes);
    let error = Place::new().fail(&Server::new([stated(bytes.len() + 1)]).url());
    assert!(is_network(&error, "breaks off"), "{error}");
    let error = Place::new().fail(&Server::new([stated(bytes.len() - 1)]).url());
    assert!(is_answer(&error, "not a whole zip archive"), "{error}");
    let error = Place::new().fail(&Server::new([stated(0)]).url());
    assert!(is_answer(&error, "empty"), "{error}");
    let chunked = format!("3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1000));
    let error = Place::new().fail(
        &Server::new([raw("200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked", chunked.as_bytes())]).url(),
    );
    assert!(is_answer(&error, "more than the 10 bytes announced"), "{error}");
    let place = Place::new();
    place.get(&Server::new([stated(bytes.len())]).url()).unwrap();
    assert_eq!(place.read("a.pt"), bytes);
}

#[test]
fn what_is_too_large_or_has_no_end_is_refused_before_it_fills_the_disk() {
    let refused = |head: &'static str| {
        let endless: Answer = Arc::new(move |_, stream| {
            send(stream, format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
            while send(stream, chunk.as_bytes()) {}
        });
        let place = Place::new();
        let error = place.fail(&Server::new([endless]).url());
        assert!(place.files().is_empty(), "{:?}", place.files());
        error
    };
    assert!(is_answer(&refused(""), "how long"));
    assert!(is_answer(&refused("Transfer-Encoding: chunked\r\n"), "how long"));
    assert!(is_answer(&refused("Content-Length: 1048577\r\n"), "1048577 bytes are more than the 1048576 allowed"));
    let error = refused("Content-Length: 5000\r\nTransfer-Encoding: chunked\r\n");
    assert!(is_answer(&error, "more than the 5000 bytes"), "{error}");
}

#[test]
fn refusals_end_the_run_and_overload_is_waited_out() {
    let bytes = weights(1, 5000);
    for code in [400, 401, 403, 404, 410, 204, 304] {
        let (place, server) = (Place::new(), Server::new([status(code), whole(&bytes)]));
        let error = place.fail(&server.url());
        assert!(is_answer(&error, &code.to_string()), "{error}");
        assert_eq!(server.asked().len(), 1, "{code}");
        place.get(&server.url()).unwrap();
        assert_eq!(place.read("a.pt"), bytes, "{code}");
    }
    let (place, server) = (Place::new(), Server::new([status(500), status(503), status(429), whole(&bytes)]));
    place.get(&server.url()).unwrap();
    assert_eq!((place.read("a.pt"), server.asked().len()), (bytes, 4));
    let error = Place::new().fail(&Server::new([status(500)]).url());
    assert!(is_network(&error, "500"), "{error}");
}

#[test]
fn a_server_that_stalls_is_given_up_and_asked_again() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([until(&bytes, ETAG, 1000, wait), whole(&bytes)]);
    place.get_with(&impatient(), &server.url(), None).unwrap();
    assert_eq!(place.read("a.pt"), bytes);
    assert_eq!(server.asked()[..2], [None, Some(1000)]);

    let silent: Answer = Arc::new(|_, stream| wait(stream));
    let dripping: Answer = Arc::new(|_, stream| {
        send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
        while send(stream, b"x") {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    for answer in [silent, dripping, until(&bytes, ETAG, 1000, wait)] {
        let started = Instant::now();
        let error = Place::new().fail_with(&impatient(), &Server::new([answer]).url(), None);
        assert!(is_network(&error, ""), "{error}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    }
}

#[test]
fn a_server_that_says_nothing_is_asked_twice() {
    let silent: Answer = Arc::new(|_, stream| wait(stream));
    let server = Server::new([silent]);
    let started = Instant::now();
    let error = Place::new().fail_with(&impatient(), &server.url(), None);
    assert!(is_network(&error, "timeout"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // The second request is heard of when the first connection ends.
    assert!(server.asked().len() <= 2, "{:?}", server.asked());
    // As a command waits: less than a minute in all.
    let FetchOptions { answer, pause, .. } = FetchOptions::default();
    assert!(2 * answer + pause < Duration::from_secs(60));
}

#[test]
fn a_server_that_is_not_there_or_talks_nonsense_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Place::new().fail(&format!("http://127.0.0.1:{port}/file"));
    assert!(is_network(&error, "refused"), "{error}");
    for nonsense in
        ["", "220 mail.example.org ESMTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n0123456789"]
    {
        let answer: Answer = Arc::new(|_, stream| {
            send(stream, nonsense.as_bytes());
        });
        let error = Place::new().fail(&Server::new([answer]).url());
        assert!(matches!(error, FetchError::Network { .. } | FetchError::Answer { .. }), "{error}");
    }
    for url in ["", "weights", "ftp://127.0.0.1/file", "http://"] {
        let error = Place::new().fail(url);
        assert!(is_answer(&error, ""), "{url}: {error}");
    }
}

#[test]
fn redirects_are_followed_each_time_and_not_for_ever() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let target = Server::new([cut(&bytes, 1000), whole(&bytes)]);
    let to = |url: &str| raw(&format!("302 Found\r\nLocation: {url}\r\nContent-Length: 0"), b"");
    let server = Server::new([to(&target.url())]);
    place.get(&server.url()).unwrap();
    assert_eq!((place.read("a.pt"), target.asked()), (bytes, vec![None, Some(1000)]));
    assert_eq!(server.asked().len(), 2, "addresses that are signed for a while are asked for anew");
    let error = Place::new().fail(&Server::new([to("/file")]).url());
    assert!(is_answer(&error, "redirects"), "{error}");
}

#[test]
fn what_is_not_weights_at_all_is_refused() {
    let page = |kind: &str| raw(&format!("200 OK\r\nContent-Length: 14\r\nContent-Type: {kind}"), b"<html>Log in</");
    let error = Place::new().fail(&Server::new([page("text/html; charset=utf-8")]).url());
    assert!(is_answer(&error, "web page"), "{error}");
    let place = Place::new();
    let error = place.fail(&Server::new([page("application/octet-stream")]).url());
    assert!(is_answer(&error, "begin"), "{error}");
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn members_are_taken_by_name_and_nothing_else_of_an_archive_is_written() {
    let (place, a, b) = (Place::new(), weights(1, 50_000), weights(2, 3000));
    let bytes = archive(&[
        ("../../evil.pt", b"evil"),
        ("/evil.pt", b"evil"),
        ("data/../weights/a.pt", b"evil"),
        ("__MACOSX/data/weights/._a.pt", b"other"),
        ("data/weights/not_a.pt", b"other"),
        ("data/weights/a.pt", &a),
        ("data/weights/b.pt", &b),
    ]);
    let server = Server::new([cut(&bytes, 500), whole(&bytes)]);
    let url = server.url();
    let files = ["a.pt", "b.pt"].map(|name| RemoteFile { name, url: &url, member: Some(name) });
    fetch(&place.dir, "MIT", &files, &options(), &mut |_, _, _| ()).unwrap();
    assert_eq!((place.read("a.pt"), place.read("b.pt")), (a.clone(), b));
    assert_eq!(place.files(), ["a.pt", "b.pt"], "neither the archive nor what else is in it");
    assert_eq!(server.asked(), [None, Some(500)], "an archive is downloaded once for all of its members");
    std::fs::remove_file(place.dir.join("a.pt")).unwrap();
    fetch(&place.dir, "MIT", &files, &options(), &mut |_, _, _| ()).unwrap();
    assert_eq!(place.read("a.pt"), a);
}

#[test]
fn an_archive_outlives_a_disk_that_fails_and_is_not_downloaded_again() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([whole(&archive(&[("a.pt", &bytes)]))]);
    // A folder where the member's bytes would go.
    std::fs::create_dir_all(place.dir.join("a.pt.part/in_the_way")).unwrap();
    let error = place.fail_with(&options(), &server.url(), Some("a.pt"));
    assert!(matches!(error, FetchError::Io { .. }), "{error}");
    std::fs::remove_dir_all(place.dir.join("a.pt.part")).unwrap();
    place.get_with(&options(), &server.url(), Some("a.pt")).unwrap();
    assert_eq!((place.read("a.pt"), server.asked().len()), (bytes, 1));
    assert_eq!(place.files(), ["a.pt"]);
}

#[test]
fn an_archive_that_is_not_as_it_should_be_is_refused_and_thrown_away() {
    let refused = |bytes: &[u8]| {
        let place = Place::new();
        let error = place.fail_with(&options(), &Server::new([whole(bytes)]).url(), Some("weights/a.pt"));
        assert!(place.files().is_empty(), "{:?}", place.files());
        assert!(matches!(error, FetchError::Answer { .. }), "{error}");
        error.to_string()
    };
    let good = weights(1, 5000);
    assert!(refused(&archive(&[("data/a.pt", &good)])).contains("no weights/a.pt"));
    assert!(refused(&archive(&[("../weights/a.pt", &good)])).contains("no weights/a.pt"));
    assert!(refused(&archive(&[("/weights/a.pt", &good)])).contains("no weights/a.pt"));
    let two = archive(&[("old/weights/a.pt", &good), ("new/weights/a.pt", &good)]);
    assert!(refused(&two).contains("more than one"));
    let bomb = archive(&[("weights/a.pt", &vec![0; 20 << 20])]);
    assert!(bomb.len() < 1 << 20 && refused(&bomb).contains("allowed"));

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("weights/a.pt", SimpleFileOptions::default()).unwrap();
    refused(&writer.finish().unwrap().into_inner());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("weights/a.pt", "/etc/hostname", SimpleFileOptions::default()).unwrap();
    refused(&writer.finish().unwrap().into_inner());

    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("weights/a.pt", stored).unwrap();
    writer.write_all(&good).unwrap();
    let sound = writer.finish().unwrap().into_inner();
    let mut damaged = sound.clone();
    damaged[1000] ^= 1;
    assert!(refused(&damaged).contains("hecksum"), "{}", refused(&damaged));
    refused(&sound[..sound.len() - 1]);
    refused(&weights(1, 100));
    // A bomb that says that it is small: the sizes in both of its headers.
    let mut lying = bomb;
    let size = (20_u32 << 20).to_le_bytes();
    let places: Vec<usize> = (0..lying.len() - 4).filter(|&at| lying[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| lying[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes()));
    refused(&lying);
}

#[test]
fn names_that_leave_the_folder_or_are_its_own_are_refused() {
    let server = Server::new([whole(&weights(1, 5000))]);
    let url = server.url();
    for name in ["", ".", "..", "../a.pt", "b/a.pt", "/a.pt", "a.pt/", "b\\a.pt", "weights.json", "weights.lock"] {
        let place = Place::new();
        let file = RemoteFile { name, url: &url, member: None };
        let result = fetch(&place.dir, "MIT", &[file], &options(), &mut |_, _, _| ());
        assert!(matches!(result, Err(FetchError::Name { .. })), "{name:?}: {result:?}");
        assert!(matches!(check_fetched(&place.dir, &[file]), Err(FetchError::Name { .. })), "{name:?}");
        assert!(!place.dir.exists(), "{name:?}");
    }
    assert!(server.asked().is_empty());
}

#[test]
fn files_of_unknown_or_other_origin_are_not_taken_for_the_right_ones() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([whole(&bytes)]);
    let (url, other) = (server.url(), format!("{}/other", server.url));
    std::fs::create_dir_all(&place.dir).unwrap();
    std::fs::write(place.dir.join("a.pt"), "the user's own").unwrap();
    let file = RemoteFile { name: "a.pt", url: &url, member: None };
    for result in [place.get(&url), check_fetched(&place.dir, &[file])] {
        assert!(matches!(result, Err(FetchError::Unrecorded { .. })), "{result:?}");
    }
    assert_eq!(place.read("a.pt"), b"the user's own");
    std::fs::remove_file(place.dir.join("a.pt")).unwrap();
    place.get(&url).unwrap();
    let error = place.get(&other).unwrap_err();
    assert!(matches!(&error, FetchError::Origin { .. }) && error.to_string().contains(&other), "{error}");
    std::fs::write(place.dir.join("weights.json"), "{\"licence\": nu").unwrap();
    for result in [place.get(&url), check_fetched(&place.dir, &[file])] {
        assert!(matches!(result, Err(FetchError::Manifest { .. })), "{result:?}");
    }
}

#[test]
fn two_processes_do_not_write_to_one_folder() {
    let (place, bytes) = (Place::new(), weights(1, 5000));
    let server = Server::new([whole(&bytes)]);
    std::fs::create_dir_all(&place.dir).unwrap();
    let lock = std::fs::File::create(place.dir.join("weights.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(place.fail(&server.url()), FetchError::Busy { .. }));
    assert!(server.asked().is_empty());
    drop(lock);
    place.get(&server.url()).unwrap();
}

/// Address and folder for the process that is killed.
const CHILD: [&str; 2] = ["ECHOZOO_TEST_FETCH_URL", "ECHOZOO_TEST_FETCH_OUTER"];

/// Whenever a process is killed that downloads, nothing stands under the file's name but the whole file, and the next one goes on.
#[test]
fn a_download_that_is_killed_goes_on() {
    let kills = std::env::var("ECHOZOO_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let bytes = weights(3, 900_000);
    let slow: Answer = {
        let bytes = bytes.clone();
        Arc::new(move |request, stream| {
            let from = request.from.filter(|_| request.if_range.as_deref() == Some(ETAG)).unwrap_or(0);
            let head = until(&bytes, ETAG, from, |_| ());
            head(request, stream);
            for part in bytes[from..].chunks(50_000) {
                std::thread::sleep(Duration::from_millis(10));
                if !send(stream, part) {
                    return;
                }
            }
        })
    };
    let server = Server::new([slow]);
    let url = server.url();
    let mut place = Place::new();
    let (mut begun, mut late) = (0, 0);
    for kill in 1..=kills {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "downloads_until_it_is_killed", "--ignored"]).env(CHILD[0], &url);
        child.env(CHILD[1], place.outer.path()).stdout(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(250) * kill / kills);
        child.kill().unwrap();
        child.wait().unwrap();
        let files = place.files();
        begun += usize::from(files.iter().any(|name| name.contains(".part")));
        if files.iter().any(|name| name == "a.pt") {
            assert_eq!(place.read("a.pt"), bytes);
            (late, place) = (late + 1, Place::new());
        }
    }
    place.get(&url).unwrap();
    assert_eq!((place.read("a.pt"), place.files()), (bytes, vec!["a.pt".to_owned()]));
    let resumed = server.asked().iter().flatten().filter(|&&from| from > 0).count();
    println!("{kills} kills: {begun} in the middle, {late} too late; {resumed} requests went on in the middle");
    assert!(begun > 0 && resumed > 0, "{:?}", server.asked());
}

#[test]
#[ignore = "a process that another test starts and kills"]
fn downloads_until_it_is_killed() {
    let [url, outer] = CHILD.map(|name| std::env::var(name).unwrap());
    let dir = PathBuf::from(outer).join("outer/weights");
    fetch(&dir, "MIT", &[RemoteFile { name: "a.pt", url: &url, member: None }], &options(), &mut |_, _, _| ()).unwrap();
}
