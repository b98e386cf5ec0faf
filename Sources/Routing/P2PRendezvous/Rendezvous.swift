public import P2PCore
package import P2PIdentity
public import P2PMultiaddr

/// Meets others at a rendezvous point: `/rendezvous/1.0.0`, with signed records (rendezvous spec).
///
/// As a module of a host it registers there for as long as the host runs, and brings whoever else does; its static methods are one request each.
///
/// ```swift
/// let meeting = Rendezvous("my-game", at: point)
/// let host = try await PeerHost.standard(modules: .standard.adding(meeting))
/// ```
public struct Rendezvous: Discovery {
    /// The protocol's name.
    public static let id: ProtocolID = "/rendezvous/1.0.0"

    /// Whoever else has registered there.
    public struct Registration: Hashable, Sendable {
        /// Under which name.
        public let namespace: String
        /// Who, at addresses that are believed from the rendezvous point, and for how long.
        public let peer: DiscoveredPeer
    }

    /// How long before its end a registration is made again.
    private static let margin = Duration.seconds(30)
    /// How long after it failed something is tried again.
    package static let pause = Duration.seconds(15)

    /// How long after it was made a registration is made again.
    package static func renewal(of granted: Duration) -> Duration { max(self.pause, granted - self.margin) }

    /// The name under which the node is to be found.
    public let namespace: String
    /// The rendezvous point, with `/p2p`.
    public let point: Multiaddr
    /// Whether the node registers; else it only looks.
    public var registers = true
    /// For how long it does; nil leaves it to the rendezvous point.
    public var timeToLive: Duration?
    /// How often it looks who is new.
    public var interval = Duration.seconds(120)

    /// A name, and where it is told.
    ///
    /// - Throws: `invalidNamespace`, `unreachable` for an address without `/p2p`.
    public init(_ namespace: String, at point: Multiaddr) throws(RendezvousError) {
        try Self.check(namespace)
        guard point.peerID != nil else { throw RendezvousError(.unreachable, "\(point) names no peer: add /p2p/ and its id") }
        self.namespace = namespace
        self.point = point
    }

    private static func check(_ namespace: String) throws(RendezvousError) {
        guard RegistrationStore.isNamespace(namespace) else {
            throw RendezvousError(.invalidNamespace, "a namespace has 1 to \(RendezvousLimits.namespaceLength) bytes")
        }
    }

    // MARK: A node's part

    /// Registers, and registers again in time; brings whoever is new.
    public func run(on host: any HostAccess) async throws {
        await withDiscardingTaskGroup { group in
            if self.registers { group.addTask { await self.keepRegistered(on: host) } }
            group.addTask { await self.look(on: host) }
        }
    }

    private func connect(_ host: any HostAccess) async throws(RendezvousError) -> PeerConnection {
        guard let peer = self.point.peerID else { throw RendezvousError(.unreachable, "\(self.point) names no peer") }
        do throws(DialError) {
            return try await host.connect(to: peer, DialRequest(addresses: [self.point]))
        } catch {
            throw RendezvousError(.unreachable, "the rendezvous point was not reached", cause: error)
        }
    }

    private func keepRegistered(on host: any HostAccess) async {
        while !Task.isCancelled {
            do throws(RendezvousError) {
                let granted = try await Self.register(self.namespace, for: self.timeToLive, on: try await self.connect(host))
                await host.clock.sleep(for: Self.renewal(of: granted))
            } catch {
                await host.clock.sleep(for: Self.pause)
            }
        }
    }

    /// Answers of a rendezvous point one right after the other: there are more for as long as they are full and lead on.
    package struct Round {
        private var pages = 0
        private var seen: Set<PeerID> = []

        package init() {}

        /// Takes in an answer.
        ///
        /// - Returns: whether the next is to be asked for at once: a point that repeats itself could keep this node at it for ever.
        package mutating func goesOn(_ found: [PeerID], isCookieNew: Bool) -> Bool {
            let before = self.seen.count
            self.seen.formUnion(found)
            self.pages += 1
            return found.count >= RendezvousLimits.registrationsPerAnswer && isCookieNew && self.seen.count > before
                && self.pages < RendezvousLimits.pagesPerRound
        }
    }

    private func look(on host: any HostAccess) async {
        var cookie: [UInt8] = []
        var round = Round()
        while !Task.isCancelled {
            do throws(RendezvousError) {
                let (found, next) = try await Self.discover(self.namespace, after: cookie, on: try await self.connect(host))
                let isCookieNew = next != cookie
                cookie = next
                for registration in found where registration.peer.peer != host.peerID { await host.discovered(registration.peer) }
                if round.goesOn(found.map(\.peer.peer), isCookieNew: isCookieNew) { continue }
            } catch {
                // The point may have begun anew, and know none of its old cookies.
                cookie = []
            }
            round = Round()
            await host.clock.sleep(for: self.interval)
        }
    }

    /// What a rendezvous point says, for a message: it controls no terminal, breaks no line and is short.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(256).map { scalar -> Unicode.Scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return "?"
                    default: return scalar
                    }
                }))
    }

    // MARK: One request

    /// Registers this node under a name, at the peer of a connection.
    ///
    /// - Parameter timeToLive: nil leaves it to the rendezvous point, usually two hours.
    /// - Returns: for how long it holds.
    /// - Throws: `refused`, `unreachable`, `protocolNotSupported`,
    ///   `noAddresses`, `invalidNamespace`.
    public static func register(
        _ namespace: String, for timeToLive: Duration? = nil, on connection: PeerConnection
    ) async throws(RendezvousError) -> Duration {
        try self.check(namespace)
        let introduction = await connection.host.introductions.introduction(to: connection.info)
        guard let record = introduction.signedRecord, !introduction.listenAddresses.isEmpty else {
            throw RendezvousError(.noAddresses, "this node listens nowhere that the rendezvous point could tell others")
        }
        let registration = WireRegistration(
            namespace: namespace, record: record, timeToLive: timeToLive.map { UInt64(max(0, $0.components.seconds)) })
        guard case .registered(let status, let text, let granted)? = try await self.exchange(.register(registration), on: connection) else {
            throw RendezvousError(.unreachable, "the rendezvous point answered something else")
        }
        guard status == .ok else { throw RendezvousError(.refused, "the rendezvous point says \(status): \(self.printable(text))") }
        guard granted > 0 else { return timeToLive ?? RendezvousLimits.defaultTimeToLive }
        return .seconds(Int64(clamping: min(granted, UInt64(RendezvousLimits.longestTimeToLive.components.seconds))))
    }

    /// Takes back what this node has registered under a name.
    public static func unregister(_ namespace: String, on connection: PeerConnection) async throws(RendezvousError) {
        _ = try await self.exchange(.unregister(namespace: namespace), on: connection, isAnswered: false)
    }

    /// Asks who has registered.
    ///
    /// - Parameters:
    ///   - namespace: nil asks for all.
    ///   - limit: how many suffice.
    ///   - cookie: what was returned the last time; only what is new since is told.
    /// - Returns: whoever has signed what is told of them, and the cookie for the next time.
    /// - Throws: `refused`, `unreachable`, `protocolNotSupported`.
    public static func discover(
        _ namespace: String?, limit: Int? = nil, after cookie: [UInt8] = [], on connection: PeerConnection
    ) async throws(RendezvousError) -> (registrations: [Registration], cookie: [UInt8]) {
        let request = RendezvousMessage.discover(namespace: namespace, limit: limit.map { UInt64(max(0, $0)) }, cookie: cookie)
        guard case .discovered(let told, let next, let status, let text)? = try await self.exchange(request, on: connection) else {
            throw RendezvousError(.unreachable, "the rendezvous point answered something else")
        }
        guard status == .ok else { throw RendezvousError(.refused, "the rendezvous point says \(status): \(self.printable(text))") }
        let (judge, meeting) = (AddressJudge(.current()), Meeting(connection.info))
        let registrations = told.compactMap { told -> Registration? in
            guard told.record.count <= RendezvousLimits.recordSize, let record = try? PeerRecord.open(told.record) else { return nil }
            let addresses = record.addresses.prefix(64).compactMap { try? Multiaddr(bytes: $0).withoutPeerID }
                .compactMap { judge.believed($0, toldAt: meeting) }
            guard !addresses.isEmpty else { return nil }
            let longest = UInt64(RendezvousLimits.longestTimeToLive.components.seconds)
            let seconds = min(told.timeToLive ?? UInt64(RendezvousLimits.defaultTimeToLive.components.seconds), longest)
            return Registration(
                namespace: told.namespace,
                peer: DiscoveredPeer(peer: record.peer, addresses: addresses, timeToLive: .seconds(Int64(seconds))))
        }
        return (registrations, next)
    }

    private static func exchange(
        _ request: RendezvousMessage, on connection: PeerConnection, isAnswered: Bool = true
    ) async throws(RendezvousError) -> RendezvousMessage? {
        do throws(StreamError) {
            return try await StreamError.within(RendezvousLimits.timeout, on: connection.host.clock, "the request") {
                () throws(StreamError) -> RendezvousMessage? in
                let stream = try await connection.openStream(Self.id)
                try await stream.writeMessage(request.encoded)
                try await stream.finish()
                guard let message = try await stream.readMessage(upTo: RendezvousLimits.messageSize) else {
                    guard isAnswered else { return nil }
                    throw StreamError(.unexpectedEnd, "the rendezvous point finished without an answer")
                }
                return try RendezvousMessage(reading: message)
            }
        } catch {
            guard error.code != .protocolNotSupported else {
                throw RendezvousError(.protocolNotSupported, "the peer does not speak \(Self.id): it is no rendezvous point", cause: error)
            }
            throw RendezvousError(.unreachable, "the rendezvous point did not answer", cause: error)
        }
    }
}
