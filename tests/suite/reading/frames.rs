//! `getEvents`: any caller gets released frames; only readers with a right get their keys.

use super::{client, code, commit, grant, restart, system};
use crate::client::{block_on, over_http};
use mortise_client::{Client, ClientError, Reader, ReaderError};
use mortise_core::seal;
use mortise_format::errors::Code;
use mortise_format::frame::Frame;
use mortise_format::ids::EngineId;
use mortise_format::limits::{EVENTS_BYTES_MAX, EXECUTION_DATA_BYTES_MAX, FRAME_BYTES_TARGET};
use mortise_format::store::StoreRequest;
use mortise_rpc::params::GetEvents;
use mortise_rpc::results::{EventsResult, FrameView};
use mortise_testkit::system::parties::Parties;
use mortise_testkit::system::proxy::Lie;
use serde_json::json;
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn events(
    client: &Client,
    from: u64,
    count: u32,
    reader: Option<&Reader>,
) -> Result<EventsResult, ClientError> {
    let reader = reader.map(Reader::public);
    block_on(client.events(GetEvents { from, count, reader, wait_ms: 0 }))
}

#[test]
fn released_frames_are_served_complete_in_order_and_in_pages() {
    let mut system = system(false);
    commit(&system);
    restart(&mut system);
    commit(&system);
    for client in [client(&system), over_http(&system)] {
        let all = events(&client, 0, 256, None).unwrap();
        let count = u64::try_from(all.frames.len()).unwrap();
        assert_eq!((all.next, all.released, all.keys.as_ref()), (count, count, None));
        let frames: Vec<Frame> =
            all.frames.iter().map(|view| Frame::decode(&view.bytes()).unwrap()).collect();
        for pair in frames.windows(2) {
            assert_eq!(pair[1].header().previous, pair[0].digest());
        }
        assert_eq!(frames[0].header().seq, 0);
        let mut paged = Vec::new();
        while let page = events(&client, paged.len().try_into().unwrap(), 1, None).unwrap()
            && let [frame] = page.frames.as_slice()
        {
            assert_eq!(page.next, frame.seq + 1);
            paged.push(frame.clone());
        }
        assert_eq!(paged, all.frames);
        let beyond = events(&client, count + 7, 5, None).unwrap();
        assert_eq!((beyond.frames.len(), beyond.next, beyond.released), (0, count + 7, count));
    }
    let refused = system.call("getEvents", json!({"from": 0, "count": 257}));
    assert_eq!(refused["error"]["data"]["field"], "count");
}

/// Goal: an answer has at most so many bytes of frames, and one frame in any case. Method: large
/// batches, each a frame of a few hundred KiB.
#[test]
fn answer_ends_at_its_bytes_and_names_the_next_frame() {
    let system = system(false);
    let (parties, client) = (Parties::of(&system.engine_socket()), client(&system));
    for _ in 0..2 * EVENTS_BYTES_MAX / FRAME_BYTES_TARGET {
        let batch = parties.other_owner().batch(64, EXECUTION_DATA_BYTES_MAX);
        block_on(client.commit_batch(batch)).unwrap();
    }
    let bytes_of = |frames: &[FrameView]| frames.iter().map(|f| f.bytes().len()).sum::<usize>();
    let (mut from, mut pages) = (0, 0);
    loop {
        let page = events(&client, from, 256, None).unwrap();
        let bytes = bytes_of(&page.frames);
        assert!(!page.frames.is_empty() && bytes <= EVENTS_BYTES_MAX, "{bytes} bytes");
        (from, pages) = (page.next, pages + 1);
        if page.next == page.released {
            break;
        }
        // One frame more would have been too much.
        let next = bytes_of(&events(&client, from, 1, None).unwrap().frames);
        assert!(bytes + next > EVENTS_BYTES_MAX, "{bytes} and {next} bytes");
    }
    assert!(pages > 1);
}

#[test]
fn keys_of_frames_open_exactly_these_frames() {
    let system = system(false);
    let client = client(&system);
    let reader = Reader::random_with_secret().0;
    commit(&system);
    assert_eq!(code(events(&client, 0, 9, Some(&reader))), Some(Code::ReadingNotGranted));
    grant(&client, &reader, (1, 0), 1);
    let engine_id = block_on(client.identity()).unwrap().engine_id;
    let page = events(&client, 1, 1, Some(&reader)).unwrap();
    let keys = reader.open_frames(&engine_id, &page).unwrap();
    assert_eq!(keys.frames().len(), 1);
    let frame = |view: &FrameView| Frame::decode(&view.bytes()).expect("a frame");
    let key = keys.content_key(1).expect("of the one frame");
    assert!(seal::open_content(key, &frame(&page.frames[0])).is_ok());
    let others = events(&client, 0, 9, None).unwrap().frames;
    for other in others.iter().filter(|other| other.seq != 1) {
        assert!(seal::open_content(key, &frame(other)).is_err(), "{}", other.seq);
    }
    // Changed, of another engine, another page, another reader.
    let refused = |page: &EventsResult, engine_id: &EngineId| {
        reader.open_frames(engine_id, page).map(|_| ()).unwrap_err()
    };
    let changed = |change: &dyn Fn(&mut EventsResult)| {
        let mut page = page.clone();
        change(&mut page);
        page
    };
    let is_open = |error| matches!(error, ReaderError::Open(_));
    assert!(is_open(refused(&page, &EngineId([9; 32]))));
    assert!(is_open(refused(&changed(&|p| p.next += 1), &engine_id)));
    assert!(is_open(refused(&changed(&|p| p.frames[0].seq = 0), &engine_id)));
    let flip = |p: &mut EventsResult| p.keys.as_mut().unwrap().ciphertext.0[0] ^= 1;
    assert!(is_open(refused(&changed(&flip), &engine_id)));
    assert_eq!(refused(&changed(&|p| p.keys = None), &engine_id), ReaderError::NoKeys);
    let other = Reader::random_with_secret().0;
    let error = other.open_frames(&engine_id, &page).map(|_| ()).unwrap_err();
    assert_eq!(error, ReaderError::OtherReader);
}

#[test]
fn reader_of_other_epochs_gets_no_key_of_this_epoch() {
    let mut system = system(false);
    commit(&system);
    restart(&mut system);
    commit(&system);
    let client = client(&system);
    let reader = Reader::random_with_secret().0;
    grant(&client, &reader, (1, 1), 1);
    let page = events(&client, 0, 256, Some(&reader)).unwrap();
    let epoch = |view: &FrameView| Frame::decode(&view.bytes()).unwrap().header().epoch;
    assert!(page.frames.iter().all(|view| epoch(view) == 1));
    assert!(page.next < page.released, "the page ends before the second epoch");
    let engine_id = block_on(client.identity()).unwrap().engine_id;
    let keys = reader.open_frames(&engine_id, &page).unwrap();
    assert_eq!(keys.frames().len(), page.frames.len());
    let refused = events(&client, page.next, 256, Some(&reader));
    assert_eq!(code(refused), Some(Code::ReadingNotGranted));
}

#[test]
fn waiting_call_is_answered_with_the_next_frame_or_at_its_timeout() {
    let system = system(false);
    for client in [client(&system), over_http(&system)] {
        let released = events(&client, 0, 1, None).unwrap().released;
        let begun = Instant::now();
        let asked = GetEvents { from: released, count: 1, reader: None, wait_ms: 30 };
        let empty = block_on(client.events(asked)).unwrap();
        assert_eq!((empty.frames.len(), empty.next), (0, released));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        let page = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let asked = GetEvents { wait_ms: 30_000, ..asked };
                block_on(client.events(asked)).unwrap()
            });
            commit(&system);
            waiting.join().unwrap()
        });
        assert_eq!(page.frames.len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

/// Goal: no caller gets a frame that is stored but not released. Method: the store's acks are held
/// back while the frame is on its disk.
#[test]
fn frame_that_is_stored_and_not_acked_is_not_served() {
    let system = system(true);
    let client = client(&system);
    let released = events(&client, 0, 1, None).unwrap().released;
    let (sender, receiver) = mpsc::channel();
    system.proxy().lie(move |request, _| match request {
        StoreRequest::Append { .. } => {
            sender.send(()).ok();
            Lie::Held
        }
        _ => Lie::Honest,
    });
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| commit(&system));
        receiver.recv().expect("the store has the frame");
        let page = events(&client, released, 256, None).unwrap();
        assert_eq!((page.frames.len(), page.next, page.released), (0, released, released));
        system.proxy().release();
        committing.join().unwrap();
    });
    assert_eq!(events(&client, released, 1, None).unwrap().frames.len(), 1);
}
