//! The index as a whole: what is written, found, updated, refused.

use std::collections::BTreeSet;
use std::fs;

use echo_random::Stream;
use tempfile::TempDir;

use super::*;
use crate::retrieval::Ranks;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn spec(dim: usize, dtype: Dtype) -> Spec {
    let settings = [("encoder", "nano"), ("kind", "video")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Spec { settings: Settings::from(settings), dim, dtype }
}

/// A row whose content is `content`.
fn row(name: &str, content: &str) -> Row {
    Row { name: name.to_owned(), digest: blake3::hash(content.as_bytes()), warning: String::new() }
}

/// Normally distributed: `count` vectors, all the same for one `index`.
fn vectors(index: u64, count: usize, dim: usize) -> Vec<Vec<f32>> {
    let mut stream = Stream::new(7, "index/tests", index);
    (0..count).map(|_| (0..dim).map(|_| stream.normal() as f32).collect()).collect()
}

fn index_of(folder: &Path, spec: &Spec, vectors: &[Vec<f32>]) -> Result<Index> {
    let mut update = Index::rebuild(folder, spec)?;
    for (place, vector) in vectors.iter().enumerate() {
        update.add(&row(&format!("{place}.avi"), &place.to_string()), vector)?;
    }
    Ok(update.commit()?)
}

/// An index in single precision of `rows` rows: (0, 1), (1, 0), (0, 1) and so on.
fn small(rows: usize) -> Result<(TempDir, Index)> {
    let folder = tempfile::tempdir()?;
    let vectors: Vec<Vec<f32>> = (0..rows).map(|row| vec![(row % 2) as f32, ((row + 1) % 2) as f32]).collect();
    let index = index_of(folder.path(), &spec(2, Dtype::F32), &vectors)?;
    Ok((folder, index))
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

fn hits(index: &Index, query: &[f32], k: usize) -> Result<Vec<(usize, f32)>> {
    Ok(index.top_k(query, k)?.remove(0).into_iter().map(|Hit { row, similarity }| (row, similarity)).collect())
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

/// In double precision, of the vectors as they were given.
fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

#[test]
fn what_is_written_is_read() -> Result {
    let names = ["a.avi", "", "=1+1", "'quoted'", "a,b\"c\"\r\nd.dcm", "caf\u{e9} \u{5d0}.mp4", "a.avi"];
    for dtype in [Dtype::F16, Dtype::F32] {
        for dim in [1, 3, 16, 17, 300] {
            for count in [0, 1, names.len()] {
                let folder = tempfile::tempdir()?;
                let spec = spec(dim, dtype);
                let vectors = vectors(dim as u64, count, dim);
                let mut update = Index::update(folder.path(), &spec)?;
                let rows: Vec<Row> = names[..count]
                    .iter()
                    .enumerate()
                    .map(|(place, name)| Row { warning: format!("+{name}"), ..row(name, &place.to_string()) })
                    .collect();
                rows.iter().zip(&vectors).try_for_each(|(row, vector)| update.add(row, vector))?;
                update.commit()?;

                let index = Index::open(folder.path())?;
                index.verify()?;
                assert_eq!((index.settings(), index.dim(), index.dtype()), (&spec.settings, dim, dtype));
                assert_eq!(index.rows(), rows);
                for (query, vector) in vectors.iter().enumerate() {
                    // The bound of half precision, which single precision is far below.
                    assert!((index.similarities(vector)?[query] - 1.0).abs() < 5e-4, "{dtype:?} {dim} {query}");
                }
                assert_eq!(files(folder.path()).len(), 3 + usize::from(!cfg!(unix)));
            }
        }
    }
    Ok(())
}

/// Of several blocks and tiles, the last of each not full, and of dimensions that are no multiple of the lanes.
#[test]
fn a_search_finds_what_a_plain_one_finds() -> Result {
    let folder = tempfile::tempdir()?;
    for (dtype, dim, tolerance) in [(Dtype::F32, 1000, 1e-6), (Dtype::F16, 1003, 5e-4), (Dtype::F32, 5, 1e-6)] {
        let (rows, queries) = (vectors(1, 411, dim), vectors(2, 3, dim));
        let index = index_of(folder.path(), &spec(dim, dtype), &rows)?;
        let found = index.top_k(queries.concat().as_slice(), 20)?;
        let all = index.top_k(queries.concat().as_slice(), usize::MAX)?;
        for (query, values) in queries.iter().enumerate() {
            let similarities = index.similarities(values)?;
            for (row, similarity) in rows.iter().zip(&similarities) {
                assert!((cosine(values, row) - f64::from(*similarity)).abs() < tolerance, "{dtype:?} {dim}");
            }
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by(|&a, &b| similarities[b].total_cmp(&similarities[a]));
            let plain: Vec<Hit> = order.iter().map(|&row| Hit { row, similarity: similarities[row] }).collect();
            assert_eq!(all[query], plain);
            assert_eq!(found[query], plain[..20]);
        }
        assert_eq!(index.top_k(&queries[0], 0)?, [[]]);
    }
    Ok(())
}

#[test]
fn any_number_of_threads_finds_the_same() -> Result {
    let folder = tempfile::tempdir()?;
    let index = index_of(folder.path(), &spec(1000, Dtype::F32), &vectors(1, 411, 1000))?;
    let queries = vectors(2, 3, 1000).concat();
    let with = |threads| -> Result<_> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(pool
            .install(|| index.top_k(&queries, 9).and_then(|hits| Ok((hits, index.ranks(&queries, &[0, 200, 410])?))))?)
    };
    let one = with(1)?;
    assert_eq!(one, with(2)?);
    assert_eq!(one, with(5)?);
    Ok(())
}

/// Equal rows in several blocks.
#[test]
fn of_equally_similar_rows_the_first_come_first_and_the_correct_one_last() -> Result {
    let folder = tempfile::tempdir()?;
    let three = vectors(3, 3, 1024);
    let rows: Vec<Vec<f32>> = (0..500).map(|row| three[row % 3].clone()).collect();
    let index = index_of(folder.path(), &spec(1024, Dtype::F32), &rows)?;
    let found: Vec<usize> = hits(&index, &three[1], 400)?.into_iter().map(|(row, _)| row).collect();
    let same: Vec<usize> = (0..500).filter(|row| row % 3 == 1).collect();
    assert_eq!(found[..same.len()], same);
    assert_eq!(hits(&index, &three[1], 5)?.iter().map(|hit| hit.0).collect::<Vec<_>>(), same[..5]);
    assert_eq!(index.ranks(&three[1], &[1])?.as_slice(), [same.len()]);
    assert_eq!(index.ranks(&three[1], &[499])?.as_slice(), [same.len()]);
    Ok(())
}

#[test]
fn ranks_are_those_of_the_matrix_of_similarities() -> Result {
    let folder = tempfile::tempdir()?;
    let (rows, queries) = (vectors(1, 300, 700), vectors(2, 4, 700));
    for dtype in [Dtype::F16, Dtype::F32] {
        let index = index_of(folder.path(), &spec(700, dtype), &rows)?;
        let matrix: Vec<Vec<f32>> = queries.iter().map(|query| index.similarities(query)).collect::<Result<_, _>>()?;
        let correct = [0, 299, 17, 150];
        let expected = Ranks::from_similarities(&matrix.concat(), rows.len(), &correct)?;
        assert_eq!(index.ranks(&queries.concat(), &correct)?, expected);
    }
    Ok(())
}

#[test]
fn half_precision_changes_similarities_by_less_than_is_said() -> Result {
    let folder = tempfile::tempdir()?;
    let (rows, query) = (vectors(1, 200, 512), vectors(2, 1, 512).remove(0));
    let half = index_of(folder.path(), &spec(512, Dtype::F16), &rows)?.similarities(&query)?;
    let single = index_of(folder.path(), &spec(512, Dtype::F32), &rows)?.similarities(&query)?;
    let most = half.iter().zip(&single).map(|(half, single)| (half - single).abs()).fold(0.0, f32::max);
    assert!(most > 0.0 && most < 5e-4, "{most}");
    Ok(())
}

/// Rows kept, renamed, dropped, moved and added, in the order of calls, whatever the order of the old index.
#[test]
fn an_updated_index_has_the_bytes_of_one_made_at_once() -> Result {
    for (dtype, dim) in [(Dtype::F16, 5), (Dtype::F32, 20_000)] {
        let (updated, at_once) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let spec = spec(dim, dtype);
        let vectors = vectors(4, 60, dim);
        index_of(updated.path(), &spec, &vectors[..50])?;

        let order: Vec<usize> =
            (10..20).chain(22..30).chain([55, 3, 2, 59]).chain(40..50).chain(51..55).chain([7, 7]).collect();
        let mut update = Index::update(updated.path(), &spec)?;
        let mut expected = Index::update(at_once.path(), &spec)?;
        let mut added = Vec::new();
        for &place in &order {
            let row = row(&format!("renamed/{place}.avi"), &place.to_string());
            assert_eq!(update.has(&row.digest), place < 50);
            if !update.keep(&row)? {
                update.add(&row, &vectors[place])?;
                added.push(place);
            }
            expected.add(&row, &vectors[place])?;
        }
        assert_eq!(added, [55, 59, 51, 52, 53, 54]);
        let (update, expected) = (update.commit()?, expected.commit()?);
        assert_eq!(update.rows(), expected.rows());
        update.verify()?;
        let bytes = |index: &Index| {
            let Manifest { vectors, table, .. } = &index.manifest;
            [vectors, table].map(|listed| fs::read(index.folder.join(&listed.file)).expect("a file"))
        };
        assert!(bytes(&update) == bytes(&expected), "{dtype:?}");
    }
    Ok(())
}

#[test]
fn a_row_is_known_by_its_content_from_the_old_index_or_the_same_update() -> Result {
    let (folder, _) = small(1)?;
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    assert_eq!(update.old_rows(), [row("0.avi", "0")]);
    assert!(!update.keep(&row("0.avi", "changed"))?);
    update.add(&row("0.avi", "changed"), &[0.6, 0.8])?;
    assert!(update.keep(&Row { warning: "a copy".to_owned(), ..row("copy.avi", "changed") })?);
    let index = update.commit()?;
    assert_eq!(index.rows()[1].warning, "a copy");
    assert_eq!(index.similarities(&[0.6, 0.8])?, [1.0, 1.0]);
    Ok(())
}

#[test]
fn an_index_that_does_not_change_is_not_written_again() -> Result {
    let (folder, old) = small(3)?;
    let names = files(folder.path());
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    for row in old.rows() {
        assert!(update.keep(row)?);
    }
    assert_eq!(update.commit()?.rows(), old.rows());
    assert_eq!(files(folder.path()), names);
    // The same vectors, but another name.
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    for row in old.rows() {
        update.keep(&Row { name: format!("moved/{}", row.name), ..row.clone() })?;
    }
    assert_eq!(update.commit()?.rows()[2].name, "moved/2.avi");
    // The same rows, but another vector.
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    for row in update.old_rows().to_vec() {
        update.add(&row, &[1.0, 0.0])?;
    }
    assert_eq!(update.commit()?.similarities(&[1.0, 0.0])?, [1.0; 3]);
    Ok(())
}

#[test]
fn embeddings_that_are_made_in_another_way_are_refused() -> Result {
    let (folder, index) = small(1)?;
    let other = |name: &str, value: Option<&str>| {
        let mut spec = spec(2, Dtype::F32);
        match value {
            Some(value) => spec.settings.insert(name.to_owned(), value.to_owned()),
            None => spec.settings.remove(name),
        };
        spec
    };
    let refused = |spec: &Spec| message(Index::update(folder.path(), spec));
    let place = folder.path().display();
    assert_eq!(
        refused(&other("encoder", Some("large"))),
        format!(
            "the index {place} was made with `nano` as `encoder`, not with `large`; name another folder, or rebuild the index"
        )
    );
    assert!(refused(&other("clip", Some("32"))).contains("made with no value as `clip`, not with `32`"));
    assert!(refused(&other("kind", None)).contains("made with `video` as `kind`, not with no value"));
    assert!(refused(&spec(3, Dtype::F32)).contains("made with `2` as `dim`, not with `3`"));
    assert!(refused(&spec(2, Dtype::F16)).contains("made with `f4` as `dtype`, not with `f2`"));

    // A text may search videos of the same encoder.
    let settings = |name: &str, value: &str| Settings::from([(name.to_owned(), value.to_owned())]);
    assert!(index.check_settings(&settings("encoder", "nano")).is_ok());
    assert!(message(index.check_settings(&settings("encoder", "large"))).contains("not with `large`"));
    assert!(index.check_settings(&settings("clip", "32")).is_err());

    let rebuilt = Index::rebuild(folder.path(), &other("encoder", Some("large")))?.commit()?;
    assert_eq!((rebuilt.rows().len(), rebuilt.settings()["encoder"].as_str()), (0, "large"));
    Ok(())
}

/// What a kill leaves: some or all of the new files, without or with the new `index.json`.
#[test]
fn a_killed_update_leaves_an_index_and_its_files_go_with_the_next() -> Result {
    let (folder, old) = small(2)?;
    let (new, _) = small(3)?;
    let place = |name: &str| folder.path().join(name);
    let copy = |from: &str, to: &str| fs::copy(new.path().join(from), place(to));

    fs::write(place("vectors-2.npy"), "half of the vec")?;
    assert_eq!(Index::open(folder.path())?.rows(), old.rows());
    copy("vectors-1.npy", "vectors-2.npy")?;
    fs::write(place("rows-2.csv"), "name,di")?;
    assert_eq!(Index::open(folder.path())?.rows(), old.rows());
    copy("rows-1.csv", "rows-2.csv")?;
    assert_eq!(Index::open(folder.path())?.rows(), old.rows());
    let manifest = fs::read_to_string(new.path().join("index.json"))?;
    fs::write(place("index.json"), manifest.replace("vectors-1", "vectors-2").replace("rows-1", "rows-2"))?;
    assert_eq!(Index::open(folder.path())?.rows().len(), 3);

    fs::write(place("vectors-7.npy"), "of a later one that was killed")?;
    fs::write(place("vectors-07.npy"), "somebody's own")?;
    fs::write(place(".unfinished-new"), "perhaps another program's")?;
    let old = fs::File::create(place(".unfinished-old"))?;
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600))?;
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    update.keep(&row("0.avi", "0"))?;
    let index = update.commit()?;
    assert_eq!(index.rows(), [row("0.avi", "0")]);
    let lock = (!cfg!(unix)).then_some("index.lock");
    let left =
        [".unfinished-new", "index.json", "rows-8.csv", "vectors-07.npy", "vectors-8.npy"].into_iter().chain(lock);
    assert_eq!(files(folder.path()), left.map(str::to_owned).collect());

    // Killed before there was any index.
    fs::remove_file(place("index.json"))?;
    assert_eq!(
        message(Index::open(folder.path())),
        format!("there is no index in {}; make one first", folder.path().display())
    );
    let update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    assert!(update.old_rows().is_empty());
    assert_eq!(update.commit()?.rows(), []);
    Ok(())
}

#[test]
fn an_update_that_is_not_committed_changes_nothing_and_lets_no_other_in() -> Result {
    let (folder, old) = small(2)?;
    let (names, bytes) = (files(folder.path()), fs::read(folder.path().join("index.json"))?);
    let mut update = Index::update(folder.path(), &spec(2, Dtype::F32))?;
    update.add(&row("new.avi", "new"), &[1.0, 1.0])?;
    for other in [Index::update, Index::rebuild] {
        let refused = message(other(folder.path(), &spec(2, Dtype::F32)));
        assert!(refused.contains("another process writes the index"), "{refused}");
    }
    drop(update);
    assert_eq!((files(folder.path()), fs::read(folder.path().join("index.json"))?), (names, bytes));
    assert_eq!(Index::open(folder.path())?.rows(), old.rows());
    Index::update(folder.path(), &spec(2, Dtype::F32))?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_open_index_outlives_its_files() -> Result {
    let (folder, old) = small(2)?;
    Index::rebuild(folder.path(), &spec(2, Dtype::F32))?.commit()?;
    assert!(!folder.path().join("vectors-1.npy").exists());
    assert_eq!(hits(&old, &[1.0, 0.0], 1)?, [(1, 1.0)]);
    Ok(())
}

/// An index is opened while others take its place.
#[test]
fn whoever_opens_sees_one_index_or_the_next() -> Result {
    let (folder, _) = small(1)?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (2..30).try_for_each(|rows| -> Result<(), Error> {
                let mut update = Index::rebuild(folder.path(), &spec(2, Dtype::F32))?;
                for place in 0..rows {
                    update.add(&row(&place.to_string(), ""), &[1.0, 1.0])?;
                }
                update.commit().map(drop)
            })
        });
        let mut last = 0;
        while !writer.is_finished() {
            let rows = Index::open(folder.path())?.rows().len();
            assert!(rows >= last);
            last = rows;
        }
        Ok(writer.join().expect("no panic")?)
    })
}

#[test]
fn embeddings_that_cannot_be_compared_are_refused_and_others_normalised() -> Result {
    let (folder, index) = small(2)?;
    let mut update = Index::rebuild(folder.path(), &spec(2, Dtype::F16))?;
    let mut refused = |values: &[f32]| message(update.add(&row("a.avi", "a"), values));
    assert_eq!(refused(&[1.0, f32::NAN]), "the embedding of a.avi has the value NaN at 1; values must be finite");
    assert!(refused(&[f32::INFINITY, 0.0]).contains("has the value inf at 0"));
    assert_eq!(
        refused(&[1.0]),
        "the embedding of a.avi has 1 numbers, but those of the index have 2; take its encoder"
    );
    assert_eq!(refused(&[0.0, -0.0]), "the embedding of a.avi is all zeros, which are similar to nothing");
    let long = "x".repeat((1 << 14) + 1);
    assert!(message(update.add(&row(&long, "a"), &[1.0, 0.0])).contains("names and warnings have at most 16384"));
    for (place, values) in [[1e-30, 1e-30], [3e38, 3e38], [5.0, 5.0]].iter().enumerate() {
        update.add(&row("b.avi", &place.to_string()), values)?;
    }
    assert!(message(update.keep(&row(&long, "0"))).contains("has 16385 bytes"));
    assert_eq!(update.commit()?.similarities(&[1e-38, 1e-38])?, [half_of_a_diagonal(); 3]);
    assert!(message(Index::rebuild(folder.path(), &spec(0, Dtype::F16))).contains("1 to 65536 are possible"));
    assert!(Index::rebuild(folder.path(), &spec(65_537, Dtype::F16)).is_err());

    let refused = |queries: &[f32]| message(index.top_k(queries, 1));
    assert_eq!(refused(&[]), "there are no queries; give at least one");
    assert!(refused(&[1.0; 3]).contains("no whole rows of 2"));
    assert!(refused(&[1.0, 0.0, 0.0, 0.0]).starts_with("the embedding of query 1 is all zeros"));
    assert!(refused(&[1.0, f32::NAN]).starts_with("the embedding of query 0 has the value NaN"));
    assert!(message(index.similarities(&[1.0; 4])).starts_with("the embedding of the query has 4 numbers"));
    assert_eq!(index.vector(1)?, [1.0, 0.0]);
    assert_eq!(message(index.vector(2)), "there is no row 2; the index has 2, counted from 0");
    assert!(message(index.ranks(&[1.0, 0.0], &[2])).contains("the correct item of query 0 is 2"));
    assert!(message(index.ranks(&[1.0, 0.0], &[])).contains("one for each query"));
    Ok(())
}

/// The cosine of a diagonal with itself in half precision.
fn half_of_a_diagonal() -> f32 {
    let half = half::f16::from_f32(std::f32::consts::FRAC_1_SQRT_2).to_f32();
    2.0 * (half * std::f32::consts::FRAC_1_SQRT_2)
}

#[test]
fn damaged_folders_are_refused_with_the_file_at_fault() -> Result {
    let (folder, _) = small(3)?;
    let place = |name: &str| folder.path().join(name);
    let written = ["index.json", "vectors-1.npy", "rows-1.csv"].map(|name| fs::read(place(name)).expect("a file"));
    let [manifest, vectors, rows] = &written;
    let refused = |name: &str, bytes: &[u8]| {
        fs::write(place(name), bytes).expect("a place");
        let message = message(Index::open(folder.path()));
        ["index.json", "vectors-1.npy", "rows-1.csv"]
            .iter()
            .zip(&written)
            .for_each(|(name, bytes)| fs::write(place(name), bytes).expect("a place"));
        message.strip_prefix(&format!("{}", folder.path().display())).unwrap_or(&message).to_owned()
    };
    let fix = "; restore the file, or rebuild the index";

    let with = |from: &str, to: &str| {
        let text = std::str::from_utf8(manifest).expect("UTF-8");
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    };
    let json = |from: &str, to: &str| refused("index.json", &with(from, to));
    assert_eq!(
        json("\"rows\": 3", "\"rows\": 4"),
        format!("/vectors-1.npy: it has 152 bytes, which are not 4 rows of 2 numbers{fix}")
    );
    for absurd in ["18446744073709551615", "4611686018427387904", "1152921504606846975"] {
        assert!(json("\"rows\": 3", &format!("\"rows\": {absurd}")).starts_with("/vectors-1.npy: it has 152 bytes"));
        assert!(json("\"dim\": 2", &format!("\"dim\": {absurd}")).contains("1 to 65536 are possible"));
    }
    for no_number in ["-1", "1e300", "18446744073709551616", "2.5", "null"] {
        assert!(json("\"rows\": 3", &format!("\"rows\": {no_number}")).starts_with("/index.json: "), "{no_number}");
    }
    assert!(json("\"dim\": 2", "\"dim\": 0").contains("its rows have 0 numbers"));
    assert!(json("\"f4\"", "\"f2\"").starts_with("/vectors-1.npy: it has 152 bytes"));
    assert!(json("\"f4\"", "\"f8\"").starts_with("/index.json: unknown variant"));
    assert!(json("\"version\": 1", "\"version\": 2").contains("version 2; this program reads version 1"));
    for name in ["../vectors-1.npy", "/etc/passwd", "vectors-01.npy", "vectors-2.npy", "rows-1.csv", ""] {
        assert!(json("vectors-1.npy", name).contains("not vectors-N.npy and rows-N.csv"), "{name}");
    }
    assert!(json("rows-1.csv", "rows-2.csv").contains("not vectors-N.npy and rows-N.csv"));
    assert!(refused("index.json", &manifest[..20]).starts_with("/index.json: EOF"));
    assert!(refused("index.json", &vec![b' '; 2 << 20]).contains("it has more than 1048576 bytes"));

    assert!(refused("vectors-1.npy", &vectors[..151]).contains("it has 151 bytes"));
    assert!(refused("vectors-1.npy", &[vectors.as_slice(), b"x"].concat()).contains("it has 153 bytes"));
    let mut header = vectors.clone();
    header[22] = b'>';
    assert!(refused("vectors-1.npy", &header).contains("its header is not that of its type and shape"));

    let table = |text: &str| refused("rows-1.csv", text.as_bytes());
    let text = std::str::from_utf8(rows)?;
    let lines: Vec<&str> = text.lines().collect();
    assert!(table(&lines[..3].join("\n")).starts_with("/rows-1.csv: it has 2 rows, but index.json says 3"));
    assert!(table(&[text, lines[1], "\n"].concat()).starts_with("/rows-1.csv: it has more than 3 rows"));
    assert!(table(&text.replace("0.avi", "9.avi")).contains("its checksum is not that in index.json"));
    assert!(table(&text.replace("warning", "note")).contains("its columns are not name, digest, warning"));
    assert!(table(&text.replace("0.avi,", "0.avi,,")).contains("found record with 4 fields"));
    assert!(table(&text.replace(&lines[1][6..60], "xyz")).contains("the digest of row 0 is not one"));
    assert!(refused("rows-1.csv", &[text.as_bytes(), b"\xff,,\n"].concat()).contains("invalid utf-8"));
    assert!(table("").contains("its columns are not"));
    assert!(
        table(&format!("name,digest,warning\n\"{}", "x".repeat(1 << 20))).contains("a row has more than 81920 bytes")
    );

    for name in ["vectors-1.npy", "rows-1.csv"] {
        fs::remove_file(place(name))?;
        assert!(message(Index::open(folder.path())).starts_with(&place(name).display().to_string()));
        fs::create_dir(place(name))?;
        assert!(message(Index::open(folder.path())).contains("this is a folder"));
        fs::remove_dir(place(name))?;
        fs::write(place(name), if name == "rows-1.csv" { rows } else { vectors })?;
    }
    Ok(())
}

#[test]
fn damaged_vectors_are_found_by_what_is_checked_when() -> Result {
    let (folder, index) = small(3)?;
    let path = folder.path().join("vectors-1.npy");
    let written = fs::read(&path)?;
    let with = |row: usize, value: f32| {
        let mut bytes = written.clone();
        bytes[128 + 8 * row..][..4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    for (value, in_a_search) in [(f32::NAN, true), (f32::INFINITY, true), (1.5, true), (0.5, false)] {
        fs::write(&path, with(1, value))?;
        let index = Index::open(folder.path())?;
        let refused = message(index.top_k(&[1.0, 1e-3], 1));
        assert_eq!(refused.contains("row 1 has the similarity"), in_a_search, "{value}: {refused}");
        assert_eq!(message(index.similarities(&[1.0, 1e-3])).is_empty(), !in_a_search);
        assert_eq!(message(index.ranks(&[1.0, 1e-3], &[1])).is_empty(), !in_a_search);
        assert!(message(index.verify()).contains("its checksum is not that in index.json"));
        assert!(message(Index::update(folder.path(), &spec(2, Dtype::F32))).contains("its checksum is not"));
        assert!(message(index.vectors.check_lengths()).contains("row 1 has the length"));
    }
    // The file is shorter than when it was opened.
    fs::write(&path, &written[..140])?;
    assert!(message(index.top_k(&[1.0, 0.0], 1)).starts_with(&path.display().to_string()));
    assert!(message(index.verify()).starts_with(&path.display().to_string()));
    Ok(())
}

/// Bytes that are changed, left out or put in, also where the checksums are made to fit.
#[test]
fn no_change_of_a_file_makes_it_panic() -> Result {
    let (folder, _) = small(60)?;
    let place = |name: &str| folder.path().join(name);
    let names = ["index.json", "vectors-1.npy", "rows-1.csv"];
    let written = names.map(|name| fs::read(place(name)).expect("a file"));
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..1000 {
        let mut stream = Stream::new(seed, "index/mutations", 0);
        let which = stream.below(3);
        let mut files = written.clone();
        for _ in 0..=stream.below(3) {
            mutate(&mut files[which], &mut stream);
        }
        let fits = stream.below(2) == 0;
        if fits && which > 0 {
            let [old, new] = [&written[which], &files[which]].map(|bytes| blake3::hash(bytes).to_hex().to_string());
            files[0] = String::from_utf8(files[0].clone())?.replace(&old, &new).into_bytes();
        }
        names.iter().zip(&files).try_for_each(|(name, bytes)| fs::write(place(name), bytes))?;
        let is_changed = files != written;
        match Index::open(folder.path()) {
            Err(_) => {
                assert!(is_changed);
                refused += 1;
            }
            Ok(index) => {
                opened += 1;
                let dim = index.dim();
                let verified = index.verify();
                if is_changed && !fits {
                    assert!(which == 0 || (which == 1 && verified.is_err()), "{seed}");
                }
                let query = vec![1.0; dim];
                let (top, similarities) = (index.top_k(&query, 4), index.similarities(&query));
                assert!(top.is_ok() == similarities.is_ok() && (top.is_ok() || verified.is_err()), "{seed}");
                let _ = index.ranks(&query, &[stream.below(12)]);
                let spec = Spec { settings: index.settings().clone(), dim, dtype: index.dtype() };
                let updated = Index::update(folder.path(), &spec).and_then(|mut update| {
                    index.rows().iter().skip(1).try_for_each(|row| update.keep(row).map(drop))?;
                    update.commit()
                });
                assert!(updated.is_ok() || verified.is_err(), "{seed}");
                for name in self::files(folder.path()) {
                    fs::remove_file(place(&name))?;
                }
            }
        }
    }
    assert!(opened > 50 && refused > 50, "{opened} {refused}");
    Ok(())
}

fn mutate(bytes: &mut Vec<u8>, stream: &mut Stream) {
    let at = stream.below(bytes.len().max(1)).min(bytes.len());
    let until = (at + 1 + stream.below(9)).min(bytes.len());
    let odd = ["\"", "\n", ",", "9999999999", "-", "\u{0}", "{", "1e999", "\u{e9}"];
    match stream.below(6) {
        0 => bytes[at..until].iter_mut().for_each(|byte| *byte = stream.bits32() as u8),
        1 => bytes[at..until].iter_mut().for_each(|byte| *byte ^= 1 << stream.below(8)),
        2 => drop(bytes.drain(at..until)),
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..at, odd[stream.below(odd.len())].bytes())),
        _ => drop(bytes.splice(at..until, odd[stream.below(odd.len())].bytes())),
    }
}
