import Logging
import NIOPosix
import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// A running host for the length of a command.
struct NodeSession {
    let host: PeerHost
    let options: NodeOptions
    /// What the node is held to; nil for nothing.
    let policy: PolicyInForce?
    /// The node's places at relays.
    let relayClient: RelayClient
    /// What comes of punches.
    let holePunching: HolePunching
    /// The relay that it is for others; nil for none.
    let relayService: RelayService?
    /// Lets the host run.
    private let beginning: Signal

    /// Makes a host, runs it beside `body`, and shuts it down in an orderly way when `body` ends or, at once, when SIGTERM or SIGINT
    /// comes; these also cancel `body`.
    ///
    /// - Parameters:
    ///   - identity: who the node is, unless `options` names a key; nil for a key of this run only.
    ///   - grace: how long streams may go on after that.
    ///   - lastWords: how long `body`, once it is cancelled, may still use the host, which is shut down at once else.
    ///   - listensFirst: the host does not run before `body` says so (``begin()``), and so dials nobody before it listens.
    ///   - adjust: says what else the host is to do.
    /// - Throws: ``Interruption`` when a signal came and `body` had more to do.
    static func run<Success: Sendable>(
        _ options: NodeOptions, identity: PrivateKey? = nil, grace: Duration = .zero, lastWords: Duration = .zero,
        listensFirst: Bool = false, adjust: (inout NodeSetup) throws -> Void = { _ in },
        _ body: @escaping @Sendable (NodeSession) async throws -> Success
    ) async throws -> Success {
        if options.insecurePlaintext {
            StandardError.write(
                "WARNING: --insecure-plaintext encrypts nothing and proves nothing: anybody on the way reads, changes and forges.\n")
        }
        let signals = try await self.start()
        var setup = try NodeSetup(options)
        setup.configuration.host.shutdownGrace = grace
        try adjust(&setup)
        let host = try await setup.makeHost(identity: try options.identity(or: identity))
        let session = NodeSession(
            host: host, options: options, policy: setup.policy, relayClient: setup.relayClient, holePunching: setup.holePunching,
            relayService: setup.relayService, beginning: Signal())

        if !listensFirst { session.begin() }
        async let running: Void = session.runHost()
        let result = await Self.untilTerminated(signals, shuttingDown: host, lastWords: lastWords) { try await body(session) }
        session.begin()
        try await running
        return try result.get()
    }

    /// Lets the host run, where it was to listen first.
    ///
    /// What its modules dial from then on leaves from the ports on which it listens, where the transport can: only such a port do routers keep
    /// open for others, and by no other do peers tell what kind of router it is.
    func begin() { self.beginning.fire() }

    private func runHost() async throws {
        await self.beginning.wait()
        try await self.host.run()
    }

    /// Starts what everything else waits with, while a refusal of the system can still be told.
    ///
    /// - Returns: the signals that end a command.
    /// - Throws: `ToolError` with the code `tooFewDescriptors`.
    static func start() async throws -> AsyncStream<CInt> {
        try DescriptorSupply.prepareForNode()
        _ = MultiThreadedEventLoopGroup.singleton
        let signals = await ProcessSignals.termination()
        await self.startTimers()
        TrapGuard.release()
        return signals
    }

    /// Has the runtime make its timers, for which it has no error, while there are descriptors.
    ///
    /// It makes one for a clock when it looks at a time that is still to come, so somebody waits for ever, on each.
    private static func startTimers() async {
        Task.detached { try? await Task.sleep(for: Self.ever, clock: .continuous) }
        Task.detached { try? await Task.sleep(for: Self.ever, clock: .suspending) }
        // A moment for them to begin. It is over when the runtime looks, so it waits for no timer.
        try? await Task.sleep(for: .nanoseconds(1), clock: .continuous)
        try? await Task.sleep(for: .nanoseconds(1), clock: .suspending)
    }

    private static let ever = Duration.seconds(100 * 365 * 86_400)

    /// Runs `body` to its end or a signal, which cancels it.
    ///
    /// - Parameters:
    ///   - host: is shut down then.
    ///   - lastWords: how long after it a body that goes on keeps its host.
    static func untilTerminated<Success: Sendable>(
        _ signals: AsyncStream<CInt>, shuttingDown host: PeerHost?, lastWords: Duration = .zero,
        _ body: @escaping @Sendable () async throws -> Success
    ) async -> Result<Success, any Error> {
        await withTaskGroup(of: Result<Success, any Error>?.self) { group in
            group.addTask {
                do {
                    return .success(try await body())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                for await signal in signals { return .failure(Interruption(signal: signal)) }
                return nil
            }
            let first = await group.next() ?? nil
            // In this order: a body that is cancelled is not to see its connections fail.
            group.cancelAll()
            let ending = Self.shutDown(host, after: lastWords)
            let second = await group.next() ?? nil
            ending?.cancel()
            host?.shutDown()
            guard case .failure(let interruption as Interruption)? = first else { return first ?? .failure(CancellationError()) }
            // The body may have come to its end all the same. What kept it from that is the signal, whatever it says.
            if case .success(let success)? = second { return .success(success) }
            return .failure(interruption)
        }
    }

    /// Shuts the host down when the time is over; at once where there is none.
    private static func shutDown(_ host: PeerHost?, after time: Duration) -> Task<Void, Never>? {
        guard time > .zero else {
            host?.shutDown()
            return nil
        }
        return Task {
            try? await Task.sleep(for: time)
            host?.shutDown()
        }
    }

    /// Connects to whom the command line names, after it has met those whom it is to meet first.
    ///
    /// - Parameter listens: even when there is nobody to meet.
    func connect(_ target: TargetOptions, listens: Bool = false) async throws -> PeerConnection {
        guard target.address.peerID != nil || target.anyPeer else {
            throw ToolError(
                "peerRequired", "\(target.address) does not say which peer to expect: add /p2p/ and its id, or say --any-peer")
        }
        try await target.meeting.meet(self, at: target.listen, listens: listens)
        return try await self.connect(to: target.address)
    }

    /// Connects to the address, to the peer that it names or, if it names none, to any.
    func connect(to address: Multiaddr) async throws -> PeerConnection {
        await self.host.waitUntilRunning()
        return try await self.host.connect(toAnyPeerAt: address, timeout: self.options.timeout.duration)
    }
}
