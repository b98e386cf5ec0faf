import NIOCore
import P2PCore
import P2PMultiaddr

extension TransportConformance {
    private static var options: DialOptions { DialOptions(deadline: .now() + .seconds(30)) }

    /// Listens while the body runs; what arrives waits in the inbox.
    static func withListener<Success: Sendable>(
        _ transport: any Transport, on address: Multiaddr,
        _ body: @escaping @Sendable (Multiaddr, Inbox<HeldArrival, Never>) async throws -> Success
    ) async throws -> Success {
        let listener = try await transport.listen(on: address)
        guard let bound = listener.addresses.first else { throw ConformanceFailure("a listener on \(address) names no address") }
        let arrivals = Inbox<HeldArrival, Never>(limit: 256)
        let running = Task {
            try await listener.run { pending in
                let held = HeldArrival(pending)
                let released = held.whenReleased
                if arrivals.offer(held) { await HeldArrival.wait(for: released) }
            }
        }
        defer {
            running.cancel()
            arrivals.finish(.success(()))
            for arrival in arrivals.takeAll() { arrival.release() }
        }
        return try await withTaskCancellationHandler {
            try await body(bound, arrivals)
        } onCancel: {
            running.cancel()
            arrivals.finish(.success(()))
        }
    }

    func dialsAndListens(expecting: Bool) async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        let pair = try await Self.connect(
            one.transport, to: two.transport, listeningOn: self.listenAddress, expecting: expecting ? two.peer : nil)
        try demand(pair.dialer.info.role, is: .dialer, "the dialer's role")
        try demand(pair.listener.info.role, is: .listener, "the listener's role")
        try demand(pair.dialer.info.remotePeer, is: two.peer, "whom the dialer reached")
        try demand(pair.listener.info.remotePeer, is: one.peer, "whom the listener let in")
        try demand(pair.dialer.info.localPeer, is: one.peer, "who the dialer is")
        try demand(pair.listener.info.localPeer, is: two.peer, "who the listener is")
        try demand(pair.dialer.info.remoteAddress, is: pair.listener.info.localAddress, "the listener's address on both sides")
        try demand(pair.listener.info.remoteAddress, is: pair.dialer.info.localAddress, "the dialer's address on both sides")
        try demand(pair.dialer.info.security, is: pair.listener.info.security, "the secure channel on both sides")
        try demand(pair.dialer.info.muxer, is: pair.listener.info.muxer, "the muxer on both sides")
        let (opener, acceptor) = try await MuxerConformance.open(pair)
        try await acceptor.write(text: "hello")
        try demand(try await opener.readExactly(5), is: ByteBuffer(string: "hello"), "bytes over the connection")
        await pair.dialer.close(.normal, grace: .zero)
        await pair.listener.close(.normal, grace: .zero)
    }

    func reportsRealAddresses() async throws {
        let node = try await self.makeNode()
        let listener = try await node.transport.listen(on: self.listenAddress)
        try demand(!listener.addresses.isEmpty, "a listener has an address")
        for address in listener.addresses {
            try demand(node.transport.canDial(address), "\(address), which is listened on, can be dialled")
            try demand(address.peerID == nil, "a listener's address names no peer")
        }
        let running = Task { try await listener.run { $0.refuse() } }
        running.cancel()
        _ = await running.result
    }

    func saysWhatItSpeaks() async throws {
        let node = try await self.makeNode()
        try demand(node.transport.canListen(on: self.listenAddress), "\(self.listenAddress) can be listened on")
        try demand(node.transport.canDial(self.deadAddress), "\(self.deadAddress) can be dialled")
        try demand(node.transport.canDial(self.deadAddress.withPeerID(node.peer)), "\(self.deadAddress) can be dialled with /p2p behind it")
        try demand(!node.transport.canDial(self.foreignAddress), "\(self.foreignAddress) is for others to dial")
        try demand(!node.transport.canListen(on: self.foreignAddress), "\(self.foreignAddress) is for others to listen on")
        try await demandError(TransportError.self, [.unsupportedAddress], "dialling \(self.foreignAddress)") {
            _ = try await node.transport.dial(self.foreignAddress, expecting: nil, options: Self.options)
        }
        try await demandError(TransportError.self, [.unsupportedAddress], "listening on \(self.foreignAddress)") {
            _ = try await node.transport.listen(on: self.foreignAddress)
        }
    }

    func refusesTheWrongPeer() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            let accepting = Task { try await arrivals.next()?.accept() }
            try await demandError(TransportError.self, [.peerMismatch], "dialling \(address) for a peer that is not there") {
                _ = try await one.transport.dial(address, expecting: one.peer, options: Self.options)
            }
            // The listener may have been done before the dialer looked; then its connection ends at once.
            if let connection = try? await accepting.value {
                try await demandError(
                    ConnectionError.self, [.closedByPeer, .lost, .protocolViolation], "a connection that the dialer refused"
                ) {
                    while true { _ = try await MuxerConformance.accept(connection) }
                }
            }
        }
    }

    func keepsTheDeadline() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        let deadline = TimeAmount(self.shortDeadline)
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            let arrival = Task { await arrivals.next() }
            // Somebody is there, and says nothing.
            try await demandError(TransportError.self, [.timedOut], "a dial that nobody answers") {
                _ = try await one.transport.dial(address, expecting: two.peer, options: DialOptions(deadline: .now() + deadline))
            }
            try await demandError(TransportError.self, [.timedOut], "a dial whose deadline has passed") {
                _ = try await one.transport.dial(address, expecting: two.peer, options: DialOptions(deadline: .now() - .seconds(1)))
            }
            arrival.cancel()
            await arrival.value?.release()
        }
    }

    func failsWhereNobodyListens() async throws {
        let node = try await self.makeNode()
        let told = Signal()
        var options = Self.options
        options.onConnected = { told.fire() }
        try await demandError(TransportError.self, [.unreachable], "dialling \(self.deadAddress), where nobody listens") { [options] in
            _ = try await node.transport.dial(self.deadAddress, expecting: nil, options: options)
        }
        try demand(!told.isFired, "nobody was told of a connection to \(self.deadAddress), where nobody listens")
    }

    func tellsOfItsProgress() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            let told = Signal()
            let dialling = Task {
                var options = Self.options
                options.onConnected = { told.fire() }
                return try await one.transport.dial(address, expecting: two.peer, options: options)
            }
            guard let arrival = await arrivals.next() else { throw ConformanceFailure("nothing arrived at \(address)") }
            let accepted = try await arrival.accept()
            arrival.release()
            let dialled = try await dialling.value
            try demand(told.isFired, "the dialer was told when its handshakes began")
            await dialled.close(.normal, grace: .zero)
            await accepted.close(.normal, grace: .zero)
        }
    }

    func closesOnCancellation() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            let dialling = Task { try await one.transport.dial(address, expecting: two.peer, options: Self.options) }
            guard let arrival = await arrivals.next() else { throw ConformanceFailure("nothing arrived at \(address)") }
            dialling.cancel()
            try await demandError(TransportError.self, [.cancelled], "a dial that was cancelled") { _ = try await dialling.value }
            try await demandError(
                TransportError.self, [.closed, .negotiationFailed, .securityFailed], "accepting what the dialer has given up"
            ) {
                _ = try await arrival.accept()
            }
            arrival.release()
        }
    }

    func refuses(_ refusal: @escaping @Sendable (HeldArrival) -> Void) async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            let refusing = Task {
                guard let arrival = await arrivals.next() else { return }
                refusal(arrival)
                arrival.release()
            }
            try await demandError(
                TransportError.self, [.closed, .negotiationFailed, .securityFailed, .unreachable], "a dial that was refused"
            ) {
                _ = try await one.transport.dial(address, expecting: two.peer, options: Self.options)
            }
            await refusing.value
        }
    }

    func acceptsOnce() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            async let dialled = one.transport.dial(address, expecting: two.peer, options: Self.options)
            guard let arrival = await arrivals.next() else { throw ConformanceFailure("nothing arrived at \(address)") }
            let accepted = try await arrival.accept()
            let connection = try await dialled
            try await demandError(TransportError.self, [.closed], "accepting twice") { _ = try await arrival.accept() }
            arrival.refuse()
            arrival.release()
            let (opener, _) = try await MuxerConformance.open((connection, accepted))
            opener.reset()
            await connection.close(.normal, grace: .zero)
            await accepted.close(.normal, grace: .zero)
        }
    }

    func carriesManyConnections() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        let count = self.connections
        try await Self.withListener(two.transport, on: self.listenAddress) { address, arrivals in
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<count {
                    group.addTask {
                        let connection = try await one.transport.dial(address, expecting: two.peer, options: Self.options)
                        let stream = try await connection.openStream()
                        try await MuxerConformance.roundTrip(stream, MuxerConformance.pattern(1_000, seed: number))
                        await connection.close(.normal, grace: .zero)
                    }
                    group.addTask {
                        guard let arrival = await arrivals.next() else { return }
                        let connection = try await arrival.accept()
                        arrival.release()
                        await MuxerConformance.echo(connection)
                    }
                }
            }
        }
    }

    func refusesAnAddressInUse() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        try await Self.withListener(one.transport, on: self.listenAddress) { address, _ in
            try await demandError(TransportError.self, [.addressInUse], "listening twice on \(address)") {
                _ = try await two.transport.listen(on: address)
            }
        }
    }

    func stopsListening() async throws {
        let (one, two) = (try await self.makeNode(), try await self.makeNode())
        let listener = try await two.transport.listen(on: self.listenAddress)
        guard let address = listener.addresses.first else { throw ConformanceFailure("a listener names no address") }
        let running = Task { try await listener.run { $0.refuse() } }
        running.cancel()
        _ = await running.result
        try await demandError(
            TransportError.self, [.unreachable, .closed, .negotiationFailed, .securityFailed], "dialling a listener that has stopped"
        ) {
            _ = try await one.transport.dial(address, expecting: two.peer, options: Self.options)
        }
    }
}
