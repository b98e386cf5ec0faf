import Logging
import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// Runs an ``MDNSMachine`` over sockets: hands it what arrives, sends what it says, wakes it when it asks for that.
final class MDNSDriver: Sendable {
    /// How often a refusal is logged; those in between are counted.
    private static let logInterval = TimeAmount.seconds(60)

    private struct Socket {
        let link: MDNSLink
        let channel: any Channel
    }

    private struct State {
        var machine: MDNSMachine
        var sockets: [MDNSLink.ID: Socket] = [:]
        var alarm = LoopAlarm()
        var logged = LogInterval(MDNSDriver.logInterval)
        var failed: Set<MDNSLink> = []
        /// Peers that count for the host's memory.
        var charged = 0
    }

    private let state: Mutex<State>
    private let eventLoop: any EventLoop
    private let memory: HeldMemory?
    private let logger: Logger
    private let onPeer: @Sendable (DiscoveredPeer) -> Void

    /// - Parameter memory: where the peers count that are known.
    init(
        machine: MDNSMachine, eventLoop: any EventLoop, memory: HeldMemory?, logger: Logger,
        onPeer: @escaping @Sendable (DiscoveredPeer) -> Void
    ) {
        self.state = Mutex(State(machine: machine))
        self.eventLoop = eventLoop
        self.memory = memory
        self.logger = logger
        self.onPeer = onPeer
    }

    // MARK: Facts

    func setAddresses(_ addresses: [Multiaddr]) {
        self.state.withLock { $0.machine.setAddresses(addresses, at: .now()) }
        self.work()
    }

    /// Opens sockets where there are none, closes those whose interface has gone or changed.
    func use(_ interfaces: [MulticastInterface]) async {
        let wanted = Dictionary(interfaces.map { ($0.link.id, $0.link) }, uniquingKeysWith: { first, _ in first })
        let gone = self.state.withLock { state in
            let gone = state.sockets.filter { wanted[$0.key] != $0.value.link }
            for id in gone.keys { state.sockets[id] = nil }
            state.failed.formIntersection(wanted.values)
            return gone.values.map(\.channel)
        }
        for channel in gone { try? await channel.close() }
        for interface in interfaces where self.state.withLock({ $0.sockets[interface.link.id] == nil }) {
            await self.open(interface)
        }
        let networks = LocalNetworks.current()
        self.state.withLock { state in state.machine.setLinks(state.sockets.values.map(\.link), in: networks, at: .now()) }
        self.work()
    }

    private func open(_ interface: MulticastInterface) async {
        let link = interface.link
        do {
            let channel = try await MDNSSocket.open(interface, on: self.eventLoop) {
                MDNSHandler { bytes, source in self.received(bytes, from: source, on: link.id) }
            }
            self.state.withLock { state in
                state.sockets[link.id] = Socket(link: link, channel: channel)
                state.failed.remove(link)
            }
            channel.closeFuture.whenComplete { _ in self.closed(channel, on: link) }
        } catch {
            let isNew = self.state.withLock { $0.failed.insert(link).inserted }
            // The loopback interface has no multicast route for IPv6 on most systems; IPv4 is enough there.
            let level: Logger.Level = !isNew ? .trace : link.isLoopback && link.id.isIPv6 ? .debug : .warning
            self.logger.log(
                level: level, "no local discovery on an interface",
                metadata: ["interface": "\(link.name)", "family": "\(link.id.isIPv6 ? "IPv6" : "IPv4")", "reason": "\(error)"])
        }
    }

    /// NIO closes a socket for nearly every error of a read or a write, most of which say nothing about it: the next look opens another,
    /// on which everything starts anew, since nobody knows what of the last packets has left.
    private func closed(_ channel: any Channel, on link: MDNSLink) {
        self.state.withLock { state in
            guard state.sockets[link.id]?.channel === channel else { return }
            state.sockets[link.id] = nil
            state.machine.interrupted(link.id)
        }
    }

    private func received(_ bytes: ByteBuffer, from source: SocketAddress, on link: MDNSLink.ID) {
        guard let ip = source.ip, let port = source.port.flatMap(UInt16.init(exactly:)) else { return }
        let now = NIODeadline.now()
        let (outcome, suppressed) = self.state.withLock { state -> (MDNSMachine.Outcome, Int?) in
            let outcome = state.machine.received(
                Array(bytes.readableBytesView), from: MDNSSource(ip: ip, port: port), on: link, at: now)
            return (outcome, outcome.refusal == nil ? nil : state.logged.admit(at: now))
        }
        if let reason = outcome.refusal, let suppressed {
            self.logger.notice(
                "a packet of local discovery was ignored",
                metadata: ["from": "\(ip)", "reason": "\(reason)", "more_like_it": "\(suppressed)"])
        }
        for peer in outcome.discovered { self.onPeer(peer) }
        self.work()
    }

    /// So many peers are known now.
    private func charge(_ peers: Int, _ state: inout State) {
        self.memory?.discover((peers - state.charged) * MDNSCache.entrySize)
        state.charged = peers
    }

    // MARK: Decisions

    /// Sends what is due and sets the alarm for the rest.
    private func work() {
        let sending = self.state.withLock { state -> [(MDNSPacket, any Channel)] in
            let packets = state.machine.poll(at: .now())
            self.charge(state.machine.peerCount, &state)
            self.setAlarm(&state)
            return packets.compactMap { packet in state.sockets[packet.link].map { (packet, $0.channel) } }
        }
        for (packet, channel) in sending { _ = self.send(packet, over: channel) }
    }

    private func setAlarm(_ state: inout State) {
        state.alarm.set(for: state.machine.deadline, on: self.eventLoop) { deadline in
            self.state.withLock { $0.alarm.rang(at: deadline) }
            self.work()
        }
    }

    private func send(_ packet: MDNSPacket, over channel: any Channel) -> EventLoopFuture<Void> {
        let isIPv6 = packet.link.isIPv6
        let ip = packet.destination?.ip ?? MDNSSocket.group(isIPv6: isIPv6)
        do {
            let address = try SocketAddress(ip, port: packet.destination?.port ?? MDNSMachine.port, interface: packet.link.interface)
            let sent = channel.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: packet.bytes)))
            sent.whenFailure { self.logger.debug("a packet of local discovery was not sent", metadata: ["reason": "\($0)"]) }
            return sent
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
    }

    /// Says goodbye and closes every socket.
    func close() async {
        let (goodbyes, sockets) = self.state.withLock { state in
            state.alarm.cancel()
            defer { state.sockets = [:] }
            let goodbyes = state.machine.goodbyes().compactMap { packet in state.sockets[packet.link].map { (packet, $0.channel) } }
            state.machine.setLinks([], at: .now())
            self.charge(0, &state)
            return (goodbyes, state.sockets.values.map(\.channel))
        }
        for (packet, channel) in goodbyes { try? await self.send(packet, over: channel).get() }
        for channel in sockets { try? await channel.close() }
    }
}
