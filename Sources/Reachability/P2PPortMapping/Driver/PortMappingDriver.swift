import Logging
import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// Runs a ``PortMapper`` over sockets: hands it what arrives, sends what it says, wakes it when it asks for that.
final class PortMappingDriver: Sendable {
    private struct State {
        var mapper: PortMapper
        var status = PortMappingStatus()
        var sockets: Sockets?
        var announcements: EventLoopFuture<any Channel>?
        var alarm = LoopAlarm()
        var closing: EventLoopPromise<Void>?
    }

    /// Those of a round; what is sent before they are open waits for them.
    private struct Sockets {
        let round: Int
        let network: MappingNetwork
        let gateway: EventLoopFuture<any Channel>
        let search: EventLoopFuture<any Channel>
    }

    private let state: Mutex<State>
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let onChange: @Sendable (PortMappingStatus) -> Void

    /// - Parameter onChange: is told of each change of the status, in order.
    init(mapper: PortMapper, eventLoop: any EventLoop, logger: Logger, onChange: @escaping @Sendable (PortMappingStatus) -> Void) {
        self.state = Mutex(State(mapper: mapper))
        self.eventLoop = eventLoop
        self.logger = logger
        self.onChange = onChange
    }

    var status: PortMappingStatus { self.state.withLock { $0.status } }

    // MARK: Facts

    func use(_ network: MappingNetwork?, _ ports: [LocalPort], isPublic: Bool) {
        self.onLoop { $0.use(network, ports, isPublic: isPublic, at: $1) }
    }

    /// Facts come in one order, that of the loop, and so do changes of the status.
    private func onLoop(_ fact: @escaping @Sendable (inout PortMapper, NIODeadline) -> Void) {
        self.eventLoop.execute {
            self.state.withLock { fact(&$0.mapper, .now()) }
            self.work()
        }
    }

    // MARK: Decisions

    private func work() {
        let (actions, change, closing) = self.state.withLock { state in
            let actions = state.mapper.poll(at: .now())
            let status = state.mapper.status
            let change = status == state.status ? nil : status
            state.status = status
            self.setAlarm(&state)
            let closing = state.mapper.isClosed ? state.closing : nil
            if closing != nil { state.closing = nil }
            return (actions, change, closing)
        }
        for action in actions { self.perform(action) }
        if let change { self.onChange(change) }
        closing?.succeed()
    }

    private func setAlarm(_ state: inout State) {
        state.alarm.set(for: state.mapper.deadline, on: self.eventLoop) { deadline in
            self.state.withLock { $0.alarm.rang(at: deadline) }
            self.work()
        }
    }

    private func perform(_ action: PortMapper.Action) {
        switch action {
        case .begin(let round, let network): self.begin(round, on: network)
        case .datagram(let bytes):
            guard let sockets = self.state.withLock({ $0.sockets }) else { return }
            sockets.gateway.whenSuccess { channel in
                guard let gateway = channel.remoteAddress else { return }
                channel.writeAndFlush(AddressedEnvelope(remoteAddress: gateway, data: ByteBuffer(bytes: bytes)), promise: nil)
            }
        case .search(let bytes):
            guard let sockets = self.state.withLock({ $0.sockets }) else { return }
            sockets.search.whenSuccess { channel in
                let network = sockets.network
                let group = network.client.isIPv4 ? SSDPMessage.group : SSDPMessage.groupIPv6
                guard let group = try? network.socketAddress(group, port: SSDPMessage.port) else { return }
                channel.writeAndFlush(AddressedEnvelope(remoteAddress: group, data: ByteBuffer(bytes: bytes)), promise: nil)
            }
        case .request(let request):
            guard let sockets = self.state.withLock({ $0.sockets }) else { return }
            GatewayExchange.run(request, sockets.network, on: self.eventLoop).whenComplete { outcome in
                let outcome = outcome.mapError { $0 as? GatewayError ?? GatewayError("\($0)") }
                self.onLoop { $0.finished(request.id, outcome, round: sockets.round, at: $1) }
            }
        }
    }

    private func begin(_ round: Int, on network: MappingNetwork) {
        let gateway = GatewaySockets.gateway(network, on: self.eventLoop) { [weak self] bytes, _ in
            self?.onLoop { $0.received(Array(bytes.readableBytesView), round: round, at: $1) }
        }
        let search = GatewaySockets.search(network, on: self.eventLoop) { [weak self] bytes, sender in
            guard let sender = sender.ip else { return }
            self?.onLoop { $0.found(Array(bytes.readableBytesView), from: sender, round: round, at: $1) }
        }
        gateway.flatMap { $0.closeFuture }.whenComplete { [weak self] _ in
            self?.onLoop { $0.gatewayClosed(round: round, at: $1) }
        }
        // Answers that come later are looked at by nobody.
        self.eventLoop.scheduleTask(in: MappingLimits.searchPatience + .seconds(1)) { search.whenSuccess { $0.close(promise: nil) } }
        let old = self.state.withLock { state in
            defer { state.sockets = Sockets(round: round, network: network, gateway: gateway, search: search) }
            return state.sockets
        }
        old?.gateway.whenSuccess { $0.close(promise: nil) }
        old?.search.whenSuccess { $0.close(promise: nil) }
        if network.client.isIPv4 { self.listenForAnnouncements() }
    }

    /// A port that another program of this machine has for itself alone is done without.
    private func listenForAnnouncements() {
        guard self.state.withLock({ $0.announcements == nil }) else { return }
        let channel = GatewaySockets.announcements(on: self.eventLoop) { [weak self] bytes, sender in
            self?.announced(Array(bytes.readableBytesView), by: sender.ip)
        }
        channel.whenFailure { self.logger.debug("announcements of routers are not heard", metadata: ["reason": "\($0)"]) }
        self.state.withLock { $0.announcements = channel }
    }

    private func announced(_ bytes: [UInt8], by sender: IPAddress?) {
        guard let sockets = self.state.withLock({ $0.sockets }), sender == sockets.network.gateway else { return }
        self.onLoop { $0.received(bytes, round: sockets.round, at: $1) }
    }

    /// Gives every port back, as far as the router answers in time, and closes the sockets.
    func close() async {
        let closed = self.eventLoop.makePromise(of: Void.self)
        self.eventLoop.execute {
            self.state.withLock { state in
                state.closing = closed
                state.mapper.close(at: .now())
            }
            self.work()
            self.eventLoop.scheduleTask(in: MappingLimits.closingPatience) {
                self.state.withLock { state in
                    defer { state.closing = nil }
                    return state.closing
                }?.succeed()
            }
        }
        try? await closed.futureResult.get()
        let (sockets, announcements) = self.state.withLock { state in
            state.alarm.cancel()
            defer { (state.sockets, state.announcements) = (nil, nil) }
            return (state.sockets, state.announcements)
        }
        for channel in [sockets?.gateway, sockets?.search, announcements] {
            guard let channel = try? await channel?.get() else { continue }
            try? await channel.close()
        }
    }
}
