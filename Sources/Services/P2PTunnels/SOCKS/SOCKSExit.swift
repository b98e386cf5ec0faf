import NIOCore
public import P2PCore
public import P2PIdentity

/// The peer through which programs connect.
struct SOCKSExit: Sendable {
    let peer: PeerID
    let tunnels: Tunnels
    let host: any HostAccess

    /// Has the peer connect a target.
    func open(_ network: TunnelOpen.Network, host: String, port: UInt16) async throws(TunnelError) -> PeerStream {
        try await self.tunnels.open(TunnelOpen(network, host: host, port: port), at: self.peer, host: self.host)
    }

    /// A stream to what a program asked for, and whose it is.
    func open(_ destination: SOCKSDestination) async throws(TunnelError) -> PeerStream {
        switch destination {
        case .target(let host, let port): return try await self.open(.tcp, host: host, port: port)
        case .service(let peer, let name):
            guard let name = TunnelName(TunnelName.prefix + name) else { throw TunnelError(.badRequest, "that is no name of a service") }
            return try await self.tunnels.open(name, at: peer, host: self.host)
        }
    }
}

extension Tunnels {
    /// Listens for programs that speak SOCKS 5, and has a peer connect what they ask for; services of peers by their names,
    /// `NAME.PEER.p2p`, go to these peers.
    ///
    /// - Parameter listen: a loopback address or a unix socket, since there is no password.
    /// - Throws: ``TunnelError`` (`notBound`, `notRunning`).
    public func socks(_ listen: TunnelEndpoint, through peer: PeerID) async throws(TunnelError) -> (id: TunnelID, listen: TunnelEndpoint) {
        guard listen.isLocal else {
            throw TunnelError(.notBound, "\(listen) is no loopback address: whoever reaches it would connect as if from \(peer)")
        }
        let (host, group, id) = try self.begin()
        let exit = SOCKSExit(peer: peer, tunnels: self, host: host)
        let box = Box<RunningTunnel?>(nil)
        let times = self.times()
        let listener = try await TunnelListener.bind(listen, limit: self.configuration.flows, group: group) { channel in
            let pump = TunnelPump(times: times, on: channel.eventLoop)
            let handler = SOCKSHandler { request, channel in
                let isStarted = self.start {
                    guard let running = box.value else { return pump.cancel() }
                    await self.serve(request, on: channel, pump, through: running, exit)
                }
                if !isStarted { channel.close(promise: nil) }
            }
            try channel.pipeline.syncOperations.addHandlers(handler, pump)
        }
        let running = RunningTunnel(id, .socks, local: listener.endpoint, peer: peer)
        box.value = running
        try await self.keep(running) { await listener.close() }
        return (id, listener.endpoint)
    }

    private func serve(
        _ request: SOCKSSession.Request, on channel: any Channel, _ pump: TunnelPump, through running: RunningTunnel, _ exit: SOCKSExit
    ) async {
        var isAnswered = false
        do {
            switch request {
            case .associate: try await self.associate(channel, through: running, exit)
            case .connect(let host, let port):
                guard let destination = SOCKSDestination(host: host, port: port) else {
                    throw TunnelError(.unresolvable, "\(host) names no peer")
                }
                let place = try await self.ledger.admit(exit.peer, to: running.traffic)
                let stream: PeerStream
                do throws(TunnelError) {
                    stream = try await exit.open(destination)
                } catch {
                    running.traffic.countRefusal()
                    throw error
                }
                place.opened()
                isAnswered = true
                try await Self.answer(.succeeded, on: channel)
                try await channel.pipeline.removeHandler(try await channel.pipeline.handler(type: SOCKSHandler.self).get()).get()
                try await running.whileOpen(cancel: { pump.cancel() }) { try await pump.run(stream, place) }
            }
        } catch {
            self.tell(running, exit.peer, error)
            if !isAnswered, let error = error as? TunnelError { try? await Self.answer(SOCKSSession.Reply(error), on: channel) }
            try? await channel.close()
        }
    }

    /// Relays datagrams for as long as the program's connection is there.
    private func associate(_ connection: any Channel, through running: RunningTunnel, _ exit: SOCKSExit) async throws {
        let relay = try await SOCKSRelay.bind(for: connection, through: running, exit: exit, tunnels: self)
        do {
            try await Self.answer(.succeeded, bound: relay.localAddress, on: connection)
            try await connection.setOption(.allowRemoteHalfClosure, value: false).get()
            connection.read()
            try await running.whileOpen(cancel: { connection.close(promise: nil) }) {
                try await withTaskCancellationHandler {
                    try await connection.closeFuture.get()
                } onCancel: {
                    connection.close(promise: nil)
                }
            }
        } catch {
            try? await relay.close()
            throw error
        }
        try? await relay.close()
    }

    private static func answer(_ reply: SOCKSSession.Reply, bound: SocketAddress? = nil, on channel: any Channel) async throws {
        try await channel.writeAndFlush(SOCKSSession.encode(reply, bound: bound)).get()
    }
}
