import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// The punches of one host.
final class PunchWorks: Sendable {
    /// The longest that half a round trip counts.
    private static let longestWait = TimeAmount.seconds(5)
    /// How long one attempt goes on.
    private static let attemptTime = TimeAmount.seconds(5)
    /// How long a side that does not know its address waits for it.
    private static let addressPatience = TimeAmount.seconds(2)
    /// The start that a plain dial has before the first punch.
    private static let headStart = TimeAmount.milliseconds(100)
    /// How long a plain dial may take.
    private static let plainTimeout = Duration.seconds(10)
    /// Dials over QUIC in one attempt, and the time from one to the next.
    private static let firstPackets = 4
    private static let packetInterval = TimeAmount.milliseconds(1_100)
    /// The time from a refusal over TCP to the next dial, which doubles, and the longest: seven dials in one attempt.
    private static let firstPause = TimeAmount.milliseconds(150)
    private static let longestPause = TimeAmount.seconds(1)
    /// How long the listening side waits for the first handshake: at least, and in round trips over the relay. After that the other side is listening
    /// too.
    private static let silence = (atLeast: TimeAmount.milliseconds(1_500), roundTrips: Int64(8))
    /// What a round trip over the relay counts, in which the other side has to show which role it takes.
    private static let roundTrips = TimeAmount.milliseconds(20)...TimeAmount.seconds(1)
    /// When a peer that does not know the protocol yet is asked again.
    private static let secondChance = TimeAmount.seconds(5)
    /// How long the relayed connection stays as it is when there is a direct one, and then for its streams.
    private static let grace = (Duration.seconds(5), streams: Duration.seconds(120))
    /// Connections whose peers' word for where this node is is remembered.
    private static let observationLimit = 256

    private struct State {
        var ledger = PunchLedger()
        /// Relayed connections for which there is a punch already, or a wait for one: a peer that introduces itself again begins no other.
        var punched: Set<ConnectionID> = []
        /// Relayed connections whose peers were dialled plainly.
        var plainlyDialled: Set<ConnectionID> = []
        /// Where peers see this node.
        var observed: [ConnectionID: Multiaddr] = [:]
        /// Whom to tell of direct connections.
        var awaited: [PeerID: Signal] = [:]
        /// Attempts that peers have asked for, and that are under way.
        var answered: [PeerID: Answered] = [:]
        var expected = PunchExpectations()
    }

    /// An attempt that a peer has asked for.
    private final class Answered: Sendable {
        /// The peer has asked for the next one.
        let isSuperseded = Signal()
        let hasEnded = Signal()
    }

    let host: any HostAccess
    private let roles: ArrivalRoles
    private let state = Mutex(State())
    private let report: @Sendable (HolePunching.Report) -> Void

    init(_ host: any HostAccess, roles: ArrivalRoles, report: @escaping @Sendable (HolePunching.Report) -> Void) {
        self.host = host
        self.roles = roles
        self.report = report
    }

    // MARK: What happens

    /// Punches wherever it is of use, until the task is cancelled.
    func run(_ events: HostEvents) async {
        await withDiscardingTaskGroup { group in
            for await event in events {
                switch event {
                case .identified(let connection, let introduction):
                    self.note(introduction.observedAddress, on: connection)
                    guard connection.remoteAddress.isRelayed else { continue }
                    group.addTask { await self.improve(connection, introduction) }
                case .connected(let connection) where !connection.remoteAddress.isRelayed:
                    self.state.withLock { $0.awaited.removeValue(forKey: connection.remotePeer) }?.fire()
                case .arrivalFailed(let address, let error): self.noteArrival(from: address, failedBy: error)
                case .disconnected(let connection, _):
                    self.state.withLock { $0.observed[connection.id] = nil }
                case .lost:
                    let living = Set(self.host.connections.map(\.info.id))
                    self.state.withLock { state in state.observed = state.observed.filter { living.contains($0.key) } }
                default: break
                }
            }
            group.cancelAll()
        }
    }

    /// Where a peer sees this node counts if that leads to a socket that listens.
    private func note(_ observed: Multiaddr?, on connection: ConnectionInfo) {
        guard let observed = observed?.withoutPeerID, !connection.remoteAddress.isRelayed, PunchTransport(observed) != nil,
            observed.port != 0
        else { return }
        let local = connection.localAddress
        let isListening = self.host.listenAddresses.contains { listening in
            listening == local || PunchTransport(listening) == PunchTransport(local) && listening.port == local.port
        }
        guard isListening, PunchTransport(observed) == PunchTransport(local) else { return }
        self.state.withLock { state in
            guard state.observed.count < Self.observationLimit || state.observed[connection.id] != nil else { return }
            state.observed[connection.id] = observed
        }
    }

    /// What a peer is told: one observer is enough, for the peer only tries.
    private var ownAddresses: [Multiaddr] {
        PunchAddresses.told(self.state.withLock { Array($0.observed.values) } + self.host.announcedAddresses)
    }

    private func ownAddressesSoon() async -> [Multiaddr] {
        let clock = self.host.clock
        let deadline = clock.now() + Self.addressPatience
        while self.ownAddresses.isEmpty, clock.now() < deadline, !Task.isCancelled { await clock.sleep(clock.now() + .milliseconds(100)) }
        return self.ownAddresses
    }

    private func isDirect(_ peer: PeerID) -> Bool {
        self.host.connections(to: peer).contains { !$0.remoteAddress.isRelayed }
    }

    private func lives(_ connection: ConnectionInfo) -> Bool { self.host.connection(connection.id) != nil }

    // MARK: Asking

    /// A peer has introduced itself over a relay.
    private func improve(_ connection: ConnectionInfo, _ introduction: Introduction) async {
        let peer = connection.remotePeer
        guard !self.isDirect(peer) else { return }
        let isFirst = self.state.withLock { $0.punched.insert(connection.id).inserted }
        defer {
            if isFirst { self.state.withLock { _ = $0.punched.remove(connection.id) } }
        }
        let known = PunchAddresses.dialled(introduction.listenAddresses, of: peer, except: self.ownAddresses)
        await withDiscardingTaskGroup { group in
            // Either side may have an open way to the other, and then nothing needs to be punched.
            if !known.isEmpty { group.addTask { await self.dialPlainly(connection, at: known) } }
            guard isFirst, !connection.isDialled else { return }
            group.addTask {
                if !known.isEmpty { await self.host.clock.sleep(self.host.clock.now() + Self.headStart) }
                await self.punch(connection)
            }
        }
        if isFirst, self.isDirect(peer), !connection.isDialled { await self.retire(connection) }
    }

    private func dialPlainly(_ relayed: ConnectionInfo, at known: [Multiaddr]) async {
        let peer = relayed.remotePeer
        let began = self.host.clock.now()
        guard self.mayDialPlainly(relayed) else { return }
        defer { self.state.withLock { $0.ledger.endPlainDial() } }
        let addresses = self.state.withLock { $0.ledger.allowed(known, at: began) }
        guard !addresses.isEmpty else { return }
        let connection = await withTaskGroup(of: PeerConnection?.self) { group -> PeerConnection? in
            for (local, addresses) in Dictionary(grouping: addresses, by: Self.plainLocal) {
                let request = DialRequest(addresses: addresses, timeout: Self.plainTimeout, allowsLimited: false, localAddress: local)
                group.addTask { try? await self.host.connect(to: peer, request) }
            }
            for await case let connection? in group {
                group.cancelAll()
                return connection
            }
            return nil
        }
        guard let connection, connection.isDialled else { return }
        self.post(peer, 0, PunchTransport(connection.remoteAddress), since: began, failure: nil)
    }

    /// Where an address is dialled from plainly. Over TCP from any port but the one that listens: a first packet from there would hold the way that
    /// the punch needs, with a role that it need not have.
    private static func plainLocal(_ address: Multiaddr) -> Multiaddr? {
        guard PunchTransport(address) == .tcp, let ip = address.ipAddress else { return nil }
        return ip.isIPv4 ? "/ip4/0.0.0.0/tcp/0" : "/ip6/::/tcp/0"
    }

    /// Once for each relayed connection, however often its peer introduces itself.
    private func mayDialPlainly(_ relayed: ConnectionInfo) -> Bool {
        let gone = self.state.withLock { $0.plainlyDialled }.filter { self.host.connection($0) == nil }
        let isLiving = self.lives(relayed)
        let now = self.host.clock.now()
        return self.state.withLock { state in
            state.plainlyDialled.subtract(gone)
            guard isLiving, !state.plainlyDialled.contains(relayed.id),
                state.ledger.beginPlainDial(relayed.remotePeer, at: now)
            else { return false }
            state.plainlyDialled.insert(relayed.id)
            return true
        }
    }

    /// The relayed connection has done its work.
    private func retire(_ connection: ConnectionInfo) async {
        await self.host.clock.sleep(for: Self.grace.0)
        guard !Task.isCancelled, self.isDirect(connection.remotePeer) else { return }
        await self.host.disconnect(connection.id, code: .supplanted, grace: Self.grace.streams)
    }

    private func punch(_ connection: ConnectionInfo) async {
        let peer = connection.remotePeer
        var isSecondChance = false
        while !Task.isCancelled, !self.isDirect(peer), self.lives(connection) {
            guard let number = self.state.withLock({ $0.ledger.begin(peer, at: self.host.clock.now()) }) else { return }
            let began = self.host.clock.now()
            do throws(StreamError) {
                let (told, roundTrip) = try await self.agree(on: connection)
                let targets = try self.chosen(of: told, for: peer)
                try await self.dialSoon(peer, at: targets, attempt: number, roundTrip: roundTrip)
                self.state.withLock { $0.ledger.end(peer) }
            } catch {
                let isUnknown = error.code == .protocolNotSupported
                self.state.withLock { $0.ledger.end(peer, counts: !isUnknown) }
                if !Task.isCancelled, !self.isDirect(peer) { self.post(peer, number, nil, since: began, failure: error.message) }
                guard isUnknown, !isSecondChance else { return }
                isSecondChance = true
                await self.host.clock.sleep(self.host.clock.now() + Self.secondChance)
            }
        }
    }

    /// Tells the peer this node's addresses, hears the peer's, and says when to begin: after half a round trip.
    private func agree(on connection: ConnectionInfo) async throws(StreamError) -> ([Multiaddr], roundTrip: TimeAmount) {
        let clock = self.host.clock
        let own = await self.ownAddressesSoon()
        guard !own.isEmpty else { throw StreamError(.unexpectedEnd, "nobody has said at which public address this node is") }
        let (answer, roundTrip) = try await StreamError.within(.seconds(10), on: clock, "the agreement on a punch") {
            () async throws(StreamError) -> (PunchMessage, TimeAmount) in
            let stream = try await self.host.openStream(on: connection.id, protocols: [HolePunching.id])
            let began = clock.now()
            try await stream.write(PunchMessage(.connect, addresses: own).encoded.framed)
            let answer = try await Self.read(stream, .connect)
            let roundTrip = clock.now() - began
            try await stream.write(PunchMessage(.sync).encoded.framed)
            try? await stream.finish()
            return (answer, roundTrip)
        }
        let targets = PunchAddresses.dialled(answer.addresses, of: connection.remotePeer, except: own)
        guard !targets.isEmpty else { throw StreamError(.malformed, "the peer told no address that could be dialled") }
        return (targets, roundTrip)
    }

    /// Dials when the peer has probably heard that it is to. Its first packet may come before that, so it is expected from now on.
    private func dialSoon(
        _ peer: PeerID, at targets: [Multiaddr], attempt number: Int, roundTrip: TimeAmount
    ) async throws(StreamError) {
        let clock = self.host.clock
        let clashes = self.state.withLock { $0.ledger.clashes(with: peer) }
        let handshake = PunchRole.asking.handshake(inAttempt: number, clashes: clashes)
        let early = targets.filter { PunchTransport($0) == .tcp }
        self.expect(peer, at: early, as: handshake, patience: Self.meeting(roundTrip, .asking))
        defer { self.forget(peer, at: early) }
        await clock.sleep(clock.now() + Self.wait(roundTrip))
        try await self.dial(peer, at: targets, .asking, attempt: number, roundTrip: roundTrip)
    }

    /// How long SYNC is under way: half a round trip, and no longer than ``longestWait``, however slow a peer makes it look.
    static func wait(_ roundTrip: TimeAmount) -> TimeAmount { min(.nanoseconds(roundTrip.nanoseconds / 2), Self.longestWait) }

    private static func read(_ stream: PeerStream, _ kind: PunchMessage.Kind) async throws(StreamError) -> PunchMessage {
        guard let bytes = try await stream.readMessageBytes(upTo: Relay.maximumMessage) else {
            throw StreamError(.unexpectedEnd, "the peer closed in the middle of the agreement on a punch")
        }
        guard let message = try? PunchMessage(bytes), message.kind == kind else {
            throw StreamError(.malformed, "the peer sent something else than \(kind)")
        }
        return message
    }

    // MARK: Answering

    /// Answers the peer's CONNECT and dials on its SYNC.
    ///
    /// A peer whose attempt has failed begins the next one at once, while this side's dials of the first go on: these end then.
    func answer(_ stream: PeerStream, on connection: ConnectionInfo) async throws(StreamError) {
        let peer = connection.remotePeer
        let this = Answered()
        let before = self.state.withLock { state in
            defer { state.answered[peer] = this }
            return state.answered[peer]
        }
        defer {
            this.hasEnded.fire()
            self.state.withLock { state in
                if state.answered[peer] === this { state.answered[peer] = nil }
            }
        }
        before?.isSuperseded.fire()
        await before?.hasEnded.wait()
        guard let number = self.state.withLock({ $0.ledger.begin(peer, at: self.host.clock.now()) }) else {
            throw StreamError(.rateLimited, "\(peer) asks for too many punches")
        }
        defer { self.state.withLock { $0.ledger.end(peer) } }
        let told = try await Self.read(stream, .connect)
        let own = await self.ownAddressesSoon()
        let targets = PunchAddresses.dialled(told.addresses, of: peer, except: own)
        guard !own.isEmpty, !targets.isEmpty else {
            throw StreamError(.malformed, own.isEmpty ? "no public address of this node is known" : "no address of \(peer) can be dialled")
        }
        let answered = self.host.clock.now()
        try await stream.write(PunchMessage(.connect, addresses: own).encoded.framed)
        _ = try await Self.read(stream, .sync)
        let roundTrip = self.host.clock.now() - answered
        let free = try self.chosen(of: targets, for: peer)
        try await self.dial(peer, at: free, .answering, attempt: number, roundTrip: roundTrip, until: this.isSuperseded)
    }

    // MARK: Dialing

    /// Those of the addresses at which nobody else is, and which may be dialled now.
    private func chosen(of told: [Multiaddr], for peer: PeerID) throws(StreamError) -> [Multiaddr] {
        let others = Set(self.host.connections.filter { $0.remotePeer != peer }.map(\.remoteAddress.withoutPeerID))
        let now = self.host.clock.now()
        let targets = self.state.withLock { state in
            let free = PunchAddresses.free(told, for: peer, taken: others, expected: state.expected.peers)
            return state.ledger.allowed(free, at: now)
        }
        guard !targets.isEmpty else { throw StreamError(.rateLimited, "the addresses of \(peer) were dialled too often lately") }
        return targets
    }

    /// Dials over both transports until there is a direct connection, whoever made it, or the attempt's time is over.
    ///
    /// - Parameters:
    ///   - roundTrip: to the peer over the relay.
    ///   - superseded: ends the attempt.
    private func dial(
        _ peer: PeerID, at targets: [Multiaddr], _ role: PunchRole, attempt number: Int, roundTrip: TimeAmount,
        until superseded: Signal? = nil
    ) async throws(StreamError) {
        let began = self.host.clock.now()
        let clashes = self.state.withLock { $0.ledger.clashes(with: peer) }
        let deadline = began + Self.attemptTime
        let arrived = self.awaitDirect(peer)
        let handshake = role.handshake(inAttempt: number, clashes: clashes)
        // Whoever answers goes on: the one who asks ends the attempt.
        let patience = role == .asking ? max(Self.silence.atLeast, roundTrip * Self.silence.roundTrips) : Self.attemptTime
        let byTransport = Dictionary(grouping: targets) { PunchTransport($0) }
        await withTaskGroup(of: Bool.self) { group in
            for case (let transport?, let addresses) in byTransport {
                group.addTask {
                    switch transport {
                    case .quic: return await self.dialQUIC(peer, at: addresses, by: deadline)
                    case .tcp:
                        // Whoever asks begins the next attempt; whoever answers is told of it.
                        let result = await self.dialTCP(
                            peer, at: addresses, as: handshake, by: deadline, patience: patience, meeting: Self.meeting(roundTrip, role))
                        return result == .direct || result == .clash && role == .asking
                    }
                }
            }
            if let superseded {
                group.addTask {
                    await superseded.wait()
                    return true
                }
            }
            group.addTask {
                await arrived.wait()
                return true
            }
            group.addTask {
                await self.host.clock.sleep(deadline)
                return true
            }
            for await isOver in group where isOver || self.isDirect(peer) { break }
            group.cancelAll()
        }
        self.state.withLock { state in
            if state.awaited[peer] === arrived { state.awaited[peer] = nil }
        }
        let direct = self.host.connections(to: peer).first { !$0.remoteAddress.isRelayed }
        if let direct { return self.post(peer, number, PunchTransport(direct.remoteAddress), since: began, failure: nil) }
        let isClash = self.state.withLock { $0.ledger.clashes(with: peer) } > clashes
        for case let transport? in byTransport.keys {
            let reason =
                transport == .tcp && isClash
                ? "both sides had the same role in the handshakes" : "no connection to \(byTransport[transport, default: []])"
            self.post(peer, number, transport, since: began, failure: reason)
        }
    }

    /// Fires with the next direct connection to the peer.
    private func awaitDirect(_ peer: PeerID) -> Signal {
        self.state.withLock { state in
            if let signal = state.awaited[peer] { return signal }
            let signal = Signal()
            state.awaited[peer] = signal
            return signal
        }
    }

    /// A first packet opens this side's way, and is what the other side waits for, if its way is open already. Another one follows soon: QUIC itself
    /// waits longer each time, and the ways may open a little later.
    private func dialQUIC(_ peer: PeerID, at addresses: [Multiaddr], by deadline: NIODeadline) async -> Bool {
        let clock = self.host.clock
        return await withTaskGroup(of: Bool.self) { group in
            for number in 0..<Self.firstPackets {
                group.addTask {
                    await clock.sleep(clock.now() + Self.packetInterval * number)
                    guard !Task.isCancelled, !self.isDirect(peer), let time = self.time(until: deadline) else { return false }
                    let request = DialRequest(addresses: addresses, timeout: time, allowsLimited: false, forcesNew: true)
                    return (try? await self.host.connect(to: peer, request)) != nil
                }
            }
            for await isDirect in group where isDirect {
                group.cancelAll()
                return true
            }
            return false
        }
    }

    /// Both sides connect at once, so that one's SYN may meet the other's listener: the role holds there, too. A refusal is none: the first SYN
    /// may have come before the other side's way was open.
    ///
    /// Where the other side shows in its first bytes that it believes to have the same role, this one takes the other. When handshakes come to
    /// nothing all the same, that is the end of it: in the next attempt the roles are the other way round from the start.
    private func dialTCP(
        _ peer: PeerID, at addresses: [Multiaddr], as role: ConnectionRole, by deadline: NIODeadline, patience: TimeAmount,
        meeting: Duration
    ) async -> Ending {
        self.expect(peer, at: addresses, as: role, patience: meeting)
        defer { self.forget(peer, at: addresses) }
        let locals = self.localAddresses
        let clashes = self.state.withLock { $0.ledger.clashes(with: peer) }
        return await withTaskGroup(of: Ending.self) { group in
            for (isIPv4, addresses) in Dictionary(grouping: addresses, by: { $0.ipAddress?.isIPv4 ?? true }) {
                guard let local = locals.first(where: { $0.ipAddress?.isIPv4 == isIPv4 }) else { continue }
                group.addTask {
                    var pause = Self.firstPause
                    while !Task.isCancelled, !self.isDirect(peer),
                        let time = self.time(until: min(deadline, self.host.clock.now() + patience))
                    {
                        let request = DialRequest(
                            addresses: addresses, timeout: time, allowsLimited: false, forcesNew: true, role: role, localAddress: local)
                        do throws(DialError) {
                            _ = try await self.host.connect(to: peer, request)
                            return .direct
                        } catch {
                            if PunchClash.isLikely(error), !Task.isCancelled, !self.isDirect(peer) {
                                self.noteClash(with: peer, after: clashes)
                            }
                        }
                        guard self.state.withLock({ $0.ledger.clashes(with: peer) }) == clashes else { return .clash }
                        await self.host.clock.sleep(self.host.clock.now() + pause)
                        pause = min(pause * 2, Self.longestPause)
                    }
                    return .nothing
                }
            }
            var ending = Ending.nothing
            for await one in group where one != .nothing {
                ending = one
                group.cancelAll()
                if one == .direct { break }
            }
            return ending
        }
    }

    /// What became of dials over TCP.
    private enum Ending {
        case direct, clash, nothing
    }

    /// Once an attempt, however many addresses show it.
    private func noteClash(with peer: PeerID, after clashes: Int) {
        self.state.withLock { state in
            if state.ledger.clashes(with: peer) == clashes { state.ledger.clashed(with: peer) }
        }
    }

    // MARK: Arrivals

    private func expect(_ peer: PeerID, at addresses: [Multiaddr], as role: ConnectionRole, patience: Duration) {
        for address in addresses where self.state.withLock({ $0.expected.expect(address, of: peer) }) {
            self.roles.expect(address, as: role, patience: patience)
        }
    }

    private func forget(_ peer: PeerID, at addresses: [Multiaddr]) {
        for address in addresses where self.state.withLock({ $0.expected.forget(address, of: peer) }) { self.roles.forget(address) }
    }

    /// Whoever comes from there again is taken for an ordinary arrival: it may be somebody else, of whom the peer said that it is there.
    private func noteArrival(from address: Multiaddr, failedBy error: TransportError) {
        let address = address.withoutPeerID
        guard PunchClash.isLikely(arrival: error), let (peer, count) = self.state.withLock({ $0.expected.forgetAll(at: address) }) else {
            return
        }
        for _ in 0..<count { self.roles.forget(address) }
        self.state.withLock { $0.ledger.clashed(with: peer) }
    }

    /// The sockets to dial TCP from, so that the NAT takes the way that peers have seen.
    private var localAddresses: [Multiaddr] {
        var locals: [Multiaddr] = []
        for address in self.host.listenAddresses where PunchTransport(address) == .tcp && !address.isLoopback {
            guard let ip = address.ipAddress, let port = address.port, !ip.isLinkLocal else { continue }
            locals.append(Multiaddr(ip: ip, tcp: port))
        }
        return locals
    }

    /// How long to look which role the other side takes.
    static func meeting(_ roundTrip: TimeAmount, _ role: PunchRole) -> Duration {
        .nanoseconds(min(max(roundTrip, Self.roundTrips.lowerBound), Self.roundTrips.upperBound).nanoseconds * role.patience)
    }

    private func time(until deadline: NIODeadline) -> Duration? {
        let rest = deadline - self.host.clock.now()
        return rest > .zero ? .nanoseconds(rest.nanoseconds) : nil
    }

    private func post(_ peer: PeerID, _ attempt: Int, _ transport: PunchTransport?, since began: NIODeadline, failure: String?) {
        let duration = Duration.nanoseconds((self.host.clock.now() - began).nanoseconds)
        self.report(.init(peer: peer, attempt: attempt, transport: transport, failure: failure, duration: duration))
    }
}

extension Multiaddr {
    /// The port of TCP or UDP that it begins with.
    fileprivate var port: UInt16? { (self.tcpEndpoint ?? self.udpEndpoint)?.port }
}
