import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// What a listener's handle, its sequence and its channel share.
final class TCPServerCore: Sendable {
    private struct State {
        var readyState = SocketReadyState.connecting
        var channel: (any Channel)?
        var endpoints: SocketEndpoints?
        var task: Task<Void, Never>?
        var failure: SocketError?
        var ready = CircularBuffer<TCPSocket>(initialCapacity: 1)
        /// Accepted, and not yet ready.
        var preparing: Set<ObjectIdentifier> = []
        var accepted = 0
        var waiter: CheckedContinuation<Void, Never>?
        var hasIterator = false
        var isAccepting = false
        var isPausing = false
    }

    let opened = Outcome<SocketEndpoints>()
    let closed = Outcome<Void>()
    private let options: TCPServerOptions
    private let local: SocketAddress
    private let backlog: Int
    private let tls: NIOSSLContext?
    private let hold: SocketHold?
    private let state = Mutex(State())

    init(_ options: TCPServerOptions, _ local: SocketAddress, backlog: Int, tls: NIOSSLContext?) {
        self.options = options
        self.local = local
        self.backlog = backlog
        self.tls = tls
        self.hold = options.gate.map { _ in SocketHold() }
        self.hold?.onRevocation { [weak self] reason in self?.close(SocketError(.permissionDenied, reason)) }
    }

    var readyState: SocketReadyState { self.state.withLock { $0.readyState } }
    var endpoints: SocketEndpoints? { self.state.withLock { $0.endpoints } }
    /// How many were accepted, for tests.
    var acceptedCount: Int { self.state.withLock { $0.accepted } }

    // MARK: Opening

    func begin() {
        let task = Task {
            do throws(SocketError) { try await self.bind() } catch { self.close(error) }
        }
        self.state.withLock { $0.task = task }
    }

    private func bind() async throws(SocketError) {
        let question = SocketQuestion(.tcpListen, host: self.local.ipAddress ?? "", port: self.local.port ?? 0)
        try await self.options.gate.check(question, for: self.hold)
        let channel: any Channel
        do {
            channel = try await self.bootstrap().bind(to: self.local).get()
        } catch {
            if let hold = self.hold { self.options.gate?.ended(hold) }
            throw SocketError(error, "could not listen on \(self.local.ipAddress ?? ""), port \(self.local.port ?? 0)")
        }
        let endpoints = SocketEndpoints(local: channel.localAddress, remote: nil)
        let isWanted = self.state.withLock { state in
            guard state.readyState == .connecting else { return false }
            state.readyState = .open
            state.channel = channel
            state.endpoints = endpoints
            return true
        }
        channel.closeFuture.whenComplete { _ in self.gone() }
        guard isWanted else {
            channel.close(promise: nil)
            return
        }
        self.opened.settle(.success(endpoints))
        channel.eventLoop.execute { self.updateAccepting(channel) }
    }

    private func bootstrap() -> ServerBootstrap {
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: CInt(clamping: self.backlog))
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptHandler(self)) }
            }
            .childChannelOption(.autoRead, value: self.tls != nil)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
            .applying(self.options.connections)
        if self.local.protocol == .inet6 {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: self.options.ipv6Only ? 1 : 0)
        }
        if let size = self.options.connections.receiveBufferSize {
            // What is accepted has it from the beginning only so: its window is agreed on in the handshake.
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: size)
        }
        return bootstrap
    }

    // MARK: Accepting

    /// One was accepted: no more are, unless there is room. On the listener's loop.
    func accepted(_ child: any Channel, _ channel: any Channel) {
        let id = ObjectIdentifier(child)
        self.state.withLock { state in
            state.preparing.insert(id)
            state.accepted += 1
        }
        self.updateAccepting(channel)
        child.closeFuture.whenComplete { _ in self.isPrepared(id) }
    }

    private func isPrepared(_ id: ObjectIdentifier) {
        let server = self.state.withLock { $0.preparing.remove(id) == nil ? nil : $0.channel }
        if let server { server.eventLoop.execute { self.updateAccepting(server) } }
    }

    /// A connection is made ready: on its own loop.
    private func prepare(_ channel: any Channel) throws {
        let ready = channel.eventLoop.makePromise(of: Void.self)
        let handler = TCPSocketHandler(usesTLS: self.tls != nil, ready: ready)
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(self.options.connections.openTimeout)) {
            ready.fail(SocketError(.timedOut, "the handshake took too long"))
        }
        ready.futureResult.whenComplete { result in
            timer.cancel()
            switch result {
            case .success: self.becameReady(channel, bound.value)
            case .failure: self.becameReady(channel, nil)
            }
        }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(SocketHeadHandler())
        if let tls = self.tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        try pipeline.addHandler(handler)
    }

    var server: (any Channel)? { self.state.withLock { $0.channel } }

    /// - Parameter handler: nil for a connection that failed first.
    private func becameReady(_ channel: any Channel, _ handler: TCPSocketHandler?) {
        var socket: TCPSocket?
        if let handler {
            let core = TCPSocketCore(self.options.connections, hold: nil)
            core.open(channel, handler, usesTLS: self.tls != nil)
            socket = TCPSocket(core, host: channel.remoteAddress?.ipAddress ?? "", port: channel.remoteAddress?.port ?? 0)
        } else {
            SocketHeadHandler.close(channel)
        }
        let (waiter, isWanted) = self.state.withLock { state -> (CheckedContinuation<Void, Never>?, Bool) in
            state.preparing.remove(ObjectIdentifier(channel))
            guard let socket, state.readyState == .open else { return (nil, false) }
            state.ready.append(socket)
            return (state.waiter.take(), true)
        }
        waiter?.resume()
        if !isWanted { socket?.core.abort(SocketError(.closed, "the listener was closed")) }
        if let server = self.server { server.eventLoop.execute { self.updateAccepting(server) } }
    }

    /// Accepts while there is room for more. On the loop.
    private func updateAccepting(_ channel: any Channel) {
        let change = self.state.withLock { state -> Bool? in
            let limit = self.tls == nil ? SocketLimits.acceptAhead : SocketLimits.openHandshakes
            let hasRoom = state.ready.count < SocketLimits.acceptAhead && state.ready.count + state.preparing.count < limit
            let wants = hasRoom && state.readyState == .open && !state.isPausing
            guard wants != state.isAccepting else { return nil }
            state.isAccepting = wants
            return wants
        }
        if let change { try? channel.syncOptions?.setOption(.autoRead, value: change) }
    }

    /// The system refused to accept, for want of something, or who came has gone: it is tried again. On the loop.
    func acceptingFailed(_ channel: any Channel) {
        self.state.withLock { $0.isPausing = true }
        self.updateAccepting(channel)
        channel.eventLoop.scheduleTask(in: TimeAmount(SocketLimits.acceptPause)) {
            self.state.withLock { $0.isPausing = false }
            self.updateAccepting(channel)
        }
    }

    // MARK: Handing out

    func claimIterator() -> Bool {
        self.state.withLock { state in
            defer { state.hasIterator = true }
            return !state.hasIterator
        }
    }

    func next() async throws(SocketError) -> TCPSocket? {
        while !Task.isCancelled {
            let (socket, end, channel) = self.state.withLock { state -> (TCPSocket?, Result<Void, SocketError>?, (any Channel)?) in
                if let socket = state.ready.popFirst() { return (socket, nil, state.channel) }
                guard state.readyState >= .closing else { return (nil, nil, nil) }
                return (nil, state.failure.map { .failure($0) } ?? .success(()), nil)
            }
            if let channel { channel.eventLoop.execute { self.updateAccepting(channel) } }
            if let socket { return socket }
            if let end {
                try end.get()
                return nil
            }
            await self.waitForNews()
        }
        self.close()
        return nil
    }

    private func waitForNews() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isParked = self.state.withLock { state in
                    guard state.ready.isEmpty, state.readyState < .closing, !Task.isCancelled else { return false }
                    state.waiter = waiter
                    return true
                }
                if !isParked { waiter.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiter.take() }?.resume()
        }
    }

    // MARK: Ending

    /// - Parameter failure: why, if nobody asked for it.
    func close(_ failure: SocketError? = nil) {
        let (wasConnecting, channel, task, waiter, unwanted) = self.state.withLock {
            state -> (Bool, (any Channel)?, Task<Void, Never>?, CheckedContinuation<Void, Never>?, CircularBuffer<TCPSocket>) in
            guard state.readyState < .closing else { return (false, nil, nil, nil, []) }
            let wasConnecting = state.readyState == .connecting
            state.readyState = wasConnecting ? .closed : .closing
            state.failure = failure
            defer { state.ready = [] }
            return (wasConnecting, state.channel, state.task, state.waiter.take(), state.ready)
        }
        waiter?.resume()
        for socket in unwanted { socket.core.abort(SocketError(.closed, "the listener was closed")) }
        if wasConnecting {
            task?.cancel()
            self.opened.settle(.failure(failure ?? .wasClosed))
            self.closed.settle(.failure(failure ?? .wasClosed))
        }
        channel?.close(promise: nil)
    }

    private func gone() {
        let failure = self.state.withLock { state in
            state.readyState = .closed
            state.channel = nil
            return state.failure
        }
        if let hold = self.hold { self.options.gate?.ended(hold) }
        self.closed.settle(failure.map { .failure($0) } ?? .success(()))
    }
}

/// Hears of what is accepted, and what the system says instead.
private final class AcceptHandler: ChannelInboundHandler {
    typealias InboundIn = Channel

    private let core: TCPServerCore

    init(_ core: TCPServerCore) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.core.accepted(self.unwrapInboundIn(data), context.channel)
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.core.acceptingFailed(context.channel)
    }
}
