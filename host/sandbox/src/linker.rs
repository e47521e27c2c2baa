//! The imports of guests: the durable contract, and WASI 0.2 without access to the machine.
//!
//! Invariants: files, sockets, HTTP requests, environment and standard input are empty unless granted; clocks, randomness and polling
//! are virtualized.

use wasmtime::{
    Engine,
    component::{HasData, Linker, ResourceTable},
};
use wasmtime_wasi::{
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, clocks, filesystem, io, random, sockets},
    sockets::{WasiSockets, WasiSocketsView},
};

use super::{
    bindings::durawasm::durable as contract,
    clocks::HasDurable,
    disk, http,
    state::State,
    waiting::{HasState, Waiting},
};

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Creates a linker with all imports that a guest may use.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    contract::types::add_to_linker::<_, HasDurable>(l, |s: &mut State| &mut s.durable)?;
    contract::operations::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    contract::execution::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    contract::checkpointing::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    contract::log::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    contract::observing::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;

    clocks::wall_clock::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    clocks::monotonic_clock::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    random::random::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    random::insecure::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    random::insecure_seed::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    io::poll::add_to_linker::<_, HasState>(l, |s| Waiting(s))?;
    io::error::add_to_linker::<_, HasTable>(l, |s| &mut s.table)?;
    io::streams::add_to_linker::<_, HasTable>(l, |s| &mut s.table)?;

    cli::environment::add_to_linker::<_, HasDurable>(l, |s| &mut s.durable)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    disk::add_to_linker(l)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    let network = &sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(l, network, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    http::add_to_linker(l)?;
    Ok(linker)
}
