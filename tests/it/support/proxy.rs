//! A TCP proxy in front of a broker that counts the requests on the wire by their kind, and can
//! stop passing bytes on while it keeps connections open, as a hung network does.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The protocol's numbers of the requests that tests count.
pub mod api_key {
    /// Offsets by partition.
    pub const LIST_OFFSETS: i16 = 2;
    /// A group's commits.
    pub const OFFSET_FETCH: i16 = 9;
}

/// A running proxy; its threads end with the process.
pub struct Proxy(Arc<State>);

#[derive(Default)]
struct State {
    counts: Mutex<BTreeMap<i16, usize>>,
    held: Mutex<bool>,
    freed: Condvar,
}

impl Proxy {
    /// Listens on one port of loopback and passes everything on to another.
    pub fn start(port: u16, broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || pass_on(&client, broker, &state));
            }
        });
        Self(state)
    }

    /// Requests since the last time, by kind.
    pub fn take_counts(&self) -> BTreeMap<i16, usize> {
        std::mem::take(&mut self.0.counts.lock().unwrap())
    }

    /// Keeps requests back from now on.
    pub fn hold(&self) {
        *self.0.held.lock().unwrap() = true;
    }

    /// Passes on what was kept back and all that follows.
    pub fn release(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.freed.notify_all();
    }
}

/// Serves one connection until either side closes it. A request is its length (4 bytes), its kind
/// (2 bytes) and more that is of no interest here.
fn pass_on(mut client: &TcpStream, broker: u16, state: &State) -> io::Result<()> {
    let mut to_broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker))?;
    let (mut answers, mut to_client) = (to_broker.try_clone()?, client.try_clone()?);
    thread::spawn(move || io::copy(&mut answers, &mut to_client));
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut request)?;
        let kind = i16::from_be_bytes([request[0], request[1]]);
        *state.counts.lock().unwrap().entry(kind).or_default() += 1;
        drop(
            state
                .freed
                .wait_while(state.held.lock().unwrap(), |held| *held)
                .unwrap(),
        );
        to_broker.write_all(&[length.as_slice(), request.as_slice()].concat())?;
    }
}
