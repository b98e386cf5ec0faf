import NIOCore
import NIOPosix
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What a UDP socket's handle and its channel share.
final class UDPSocketCore: Sendable {
    private struct State {
        var readyState = SocketReadyState.connecting
        var channel: (any Channel)?
        var endpoints: SocketEndpoints?
        var isConnected = false
        var task: Task<Void, Never>?
        var timer: Scheduled<Void>?
        var failure: SocketError?

        var waiting = CircularBuffer<UDPMessage>(initialCapacity: 4)
        var waitingBytes = 0
        var dropped = 0
        /// What the system has said since somebody received.
        var fault: SocketError?
        var hasReceiver = false
        var receiver: CheckedContinuation<Void, Never>?
        var senders = RecentSenders()

        var hasNews: Bool { !self.waiting.isEmpty || self.fault != nil || self.readyState >= .closing }
    }

    let opened = Outcome<SocketEndpoints>()
    let closed = Outcome<Void>()
    private let options: UDPOptions
    private let hold: SocketHold?
    private let state = Mutex(State())

    init(_ options: UDPOptions) {
        self.options = options
        self.hold = options.gate.map { _ in SocketHold() }
        self.hold?.onRevocation { [weak self] reason in self?.close(SocketError(.permissionDenied, reason)) }
    }

    var readyState: SocketReadyState { self.state.withLock { $0.readyState } }
    var endpoints: SocketEndpoints? { self.state.withLock { $0.endpoints } }
    var droppedMessages: Int { self.state.withLock { $0.dropped } }

    // MARK: Opening

    func begin(_ plan: UDPPlan) {
        let timeout = self.options.openTimeout
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: TimeAmount(timeout)) { [weak self] in
            guard let self, self.readyState == .connecting else { return }
            self.close(SocketError(.timedOut, "the socket was not open after \(timeout)"))
        }
        let task = Task {
            do throws(SocketError) {
                switch plan {
                case .connected(let host, let port): try await self.connect(host, port)
                case .bound(let address): try await self.bind(address)
                }
            } catch {
                self.close(error)
                // It may have been closed before the gate granted it.
                self.giveUpHold()
            }
        }
        self.state.withLock { ($0.task, $0.timer) = (task, timer) }
    }

    private func connect(_ host: String, _ port: Int) async throws(SocketError) {
        let destination = SocketDestination(
            capability: .udpConnect, host: host, port: port, family: self.options.family, gate: self.options.gate)
        var failure: SocketError?
        for address in try await destination.addresses() {
            do throws(SocketError) {
                try await self.options.gate.check(destination.question(leadingTo: address), for: self.hold)
                let channel = try await Self.made(
                    self.bootstrap(address).connect(to: address), "could not connect to \(host), port \(port)")
                return self.open(channel, isConnected: true)
            } catch {
                failure = failure ?? error
            }
        }
        throw failure ?? SocketError(.unresolvable, "\(host) has no address")
    }

    private func bind(_ address: SocketAddress) async throws(SocketError) {
        let (host, port) = (address.ipAddress ?? "", address.port ?? 0)
        try await self.options.gate.check(SocketQuestion(.udpListen, host: host, port: port), for: self.hold)
        let channel = try await Self.made(self.bootstrap(address).bind(to: address), "could not bind \(host), port \(port)")
        do throws(SocketError) {
            for group in self.options.groups { try await self.join(UDPOptions.group(group), on: channel) }
        } catch {
            channel.close(promise: nil)
            throw error
        }
        self.open(channel, isConnected: false)
    }

    private static func made(_ channel: EventLoopFuture<any Channel>, _ what: String) async throws(SocketError) -> any Channel {
        do { return try await channel.get() } catch { throw SocketError(error, what) }
    }

    private func bootstrap(_ address: SocketAddress) throws(SocketError) -> DatagramBootstrap {
        var bootstrap = DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(UDPSocketHandler(self)) }
            }
        for setting in try self.settings(address) { bootstrap = bootstrap.channelOption(setting.option, value: setting.value) }
        return bootstrap
    }

    private func settings(_ address: SocketAddress) throws(SocketError) -> [SocketSetting] {
        var settings: [SocketSetting] = []
        let isIPv6 = address.protocol == .inet6
        if let size = self.options.sendBufferSize { settings.append(SocketSetting(.socket, .so_sndbuf, size)) }
        if let size = self.options.receiveBufferSize { settings.append(SocketSetting(.socket, .so_rcvbuf, size)) }
        if self.options.allowsSharing {
            settings.append(SocketSetting(.socket, .so_reuseaddr, 1))
            settings.append(SocketSetting(.socket, .init(rawValue: SO_REUSEPORT), 1))
        }
        if isIPv6 { settings.append(SocketSetting(.ipv6, .ipv6_v6only, self.options.ipv6Only ? 1 : 0)) }
        if let hops = self.options.groupHops {
            settings.append(
                isIPv6
                    ? SocketSetting(.ipv6, .ipv6_multicast_hops, hops) : SocketSetting(.ip, .ip_multicast_ttl, hops))
        }
        if let isOn = self.options.groupLoopback {
            settings.append(
                isIPv6
                    ? SocketSetting(.ipv6, .ipv6_multicast_loop, isOn ? 1 : 0) : SocketSetting(.ip, .ip_multicast_loop, isOn ? 1 : 0))
        }
        return settings
    }

    private func open(_ channel: any Channel, isConnected: Bool) {
        let endpoints = SocketEndpoints(local: channel.localAddress, remote: isConnected ? channel.remoteAddress : nil)
        let (isWanted, timer) = self.state.withLock { state -> (Bool, Scheduled<Void>?) in
            guard state.readyState == .connecting else { return (false, nil) }
            state.readyState = .open
            state.channel = channel
            state.endpoints = endpoints
            state.isConnected = isConnected
            return (true, state.timer.take())
        }
        timer?.cancel()
        guard isWanted else {
            channel.close(promise: nil)
            self.giveUpHold()
            return
        }
        self.opened.settle(.success(endpoints))
        channel.closeFuture.whenComplete { _ in self.gone() }
    }

    // MARK: Receiving

    func received(_ envelope: AddressedEnvelope<ByteBuffer>) {
        var data = envelope.data
        // The buffer that the kernel filled has room for the longest datagram; who waits is not to hold that.
        if data.storageCapacity > 2 * data.readableBytes {
            data = ByteBufferAllocator().buffer(capacity: envelope.data.readableBytes)
            data.writeImmutableBuffer(envelope.data)
        }
        let receiver = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            var message = UDPMessage(data)
            if !state.isConnected {
                (message.remoteAddress, message.remotePort) = (envelope.remoteAddress.ipAddress, envelope.remoteAddress.port)
                if self.options.gate != nil { state.senders.remember(envelope.remoteAddress) }
            }
            state.waiting.append(message)
            state.waitingBytes += data.readableBytes
            while state.waiting.count > SocketLimits.waitingMessages || state.waitingBytes > SocketLimits.waitingMessageBytes,
                let oldest = state.waiting.popFirst()
            {
                state.waitingBytes -= oldest.data.readableBytes
                state.dropped += 1
            }
            return state.receiver.take()
        }
        receiver?.resume()
    }

    func faulted(_ error: any Error) {
        let receiver = self.state.withLock { state in
            state.fault = SocketError(error, "the other side")
            return state.receiver.take()
        }
        receiver?.resume()
    }

    func receive() async throws(SocketError) -> UDPMessage {
        let isTaken = self.state.withLock { state in
            defer { state.hasReceiver = true }
            return state.hasReceiver
        }
        guard !isTaken else { throw SocketError(.alreadyReading, "another task receives") }
        defer { self.state.withLock { $0.hasReceiver = false } }
        while true {
            let result = self.state.withLock { state -> Result<UDPMessage, SocketError>? in
                if state.readyState >= .closing { return .failure(state.failure ?? .wasClosed) }
                if let message = state.waiting.popFirst() {
                    state.waitingBytes -= message.data.readableBytes
                    return .success(message)
                }
                return state.fault.take().map { .failure($0) }
            }
            if let result { return try result.get() }
            guard !Task.isCancelled else { throw .wasCancelled }
            await self.waitForNews()
        }
    }

    private func waitForNews() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isParked = self.state.withLock { state in
                    guard !state.hasNews, !Task.isCancelled else { return false }
                    state.receiver = waiter
                    return true
                }
                if !isParked { waiter.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.receiver.take() }?.resume()
        }
    }

    // MARK: Sending

    func send(_ message: UDPMessage) async throws(SocketError) {
        guard message.data.readableBytes <= SocketLimits.longestMessage else {
            throw SocketError(
                .messageTooLong, "a datagram of \(message.data.readableBytes) bytes is longer than \(SocketLimits.longestMessage)")
        }
        _ = try await self.opened.value()
        let (channel, isConnected) = self.state.withLock { ($0.readyState == .open ? $0.channel : nil, $0.isConnected) }
        guard let channel else { throw .wasClosed }
        do {
            if isConnected {
                guard message.remoteAddress == nil, message.remotePort == nil else {
                    throw SocketError(.invalidArgument, "a connected socket sends to its other side alone")
                }
                try await channel.writeAndFlush(message.data).get()
            } else {
                let address = try await self.destination(of: message)
                try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: message.data)).get()
            }
        } catch {
            throw SocketError(error, "a datagram could not be sent")
        }
    }

    private func destination(of message: UDPMessage) async throws(SocketError) -> SocketAddress {
        guard let host = message.remoteAddress, let port = message.remotePort, (1...65_535).contains(port),
            let address = try? SocketAddress(ipAddress: host, port: port)
        else { throw SocketError(.invalidArgument, "a bound socket sends to a numeric address and a port") }
        if self.options.gate != nil, !self.state.withLock({ $0.senders.contains(address) }) {
            try await self.options.gate.check(SocketQuestion(.udpConnect, host: host, port: port))
        }
        return address
    }

    // MARK: Groups

    func join(_ group: SocketAddress) async throws(SocketError) { try await self.join(group, on: self.boundChannel()) }

    func leave(_ group: SocketAddress) async throws(SocketError) {
        let membership = try GroupMembership(group, interface: self.options.groupInterface)
        let channel = try await self.boundChannel()
        do { try await membership.end(on: channel) } catch {
            throw SocketError(error, "could not leave the group \(group.ipAddress ?? "")")
        }
    }

    private func boundChannel() async throws(SocketError) -> any Channel {
        _ = try await self.opened.value()
        guard let channel = self.state.withLock({ $0.isConnected || $0.readyState != .open ? nil : $0.channel }) else {
            throw SocketError(.invalidState, "only a bound socket that is open has groups")
        }
        return channel
    }

    private func join(_ group: SocketAddress, on channel: any Channel) async throws(SocketError) {
        let membership = try GroupMembership(group, interface: self.options.groupInterface)
        do { try await membership.begin(on: channel) } catch {
            throw SocketError(error, "could not join the group \(group.ipAddress ?? "")")
        }
    }

    // MARK: Ending

    /// - Parameter failure: why, if nobody asked for it.
    func close(_ failure: SocketError? = nil) {
        let (wasConnecting, channel, task, timer, receiver) = self.state.withLock {
            state -> (Bool, (any Channel)?, Task<Void, Never>?, Scheduled<Void>?, CheckedContinuation<Void, Never>?) in
            guard state.readyState < .closing else { return (false, nil, nil, nil, nil) }
            let wasConnecting = state.readyState == .connecting
            state.readyState = wasConnecting ? .closed : .closing
            state.failure = failure
            state.waiting.removeAll()
            state.waitingBytes = 0
            return (wasConnecting, state.channel, state.task, state.timer.take(), state.receiver.take())
        }
        receiver?.resume()
        timer?.cancel()
        if wasConnecting {
            task?.cancel()
            self.opened.settle(.failure(failure ?? .wasClosed))
            self.closed.settle(.failure(failure ?? .wasClosed))
            self.giveUpHold()
        }
        channel?.close(promise: nil)
    }

    private func giveUpHold() {
        if let hold = self.hold { self.options.gate?.ended(hold) }
    }

    private func gone() {
        let (failure, receiver) = self.state.withLock { state -> (SocketError?, CheckedContinuation<Void, Never>?) in
            state.readyState = .closed
            state.channel = nil
            return (state.failure, state.receiver.take())
        }
        receiver?.resume()
        self.giveUpHold()
        self.closed.settle(failure.map { .failure($0) } ?? .success(()))
    }
}

/// Who has sent datagrams lately: they may be answered.
struct RecentSenders {
    private var places: Set<SocketAddress> = []
    private var order = CircularBuffer<SocketAddress>(initialCapacity: 0)

    func contains(_ address: SocketAddress) -> Bool { self.places.contains(address) }

    /// The one that came first makes room.
    mutating func remember(_ address: SocketAddress) {
        guard self.places.insert(address).inserted else { return }
        self.order.append(address)
        if self.order.count > SocketLimits.rememberedSenders, let first = self.order.popFirst() { self.places.remove(first) }
    }
}

/// Tells the core what comes.
private final class UDPSocketHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let core: UDPSocketCore

    init(_ core: UDPSocketCore) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.core.received(self.unwrapInboundIn(data)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.core.faulted(error) }
}
