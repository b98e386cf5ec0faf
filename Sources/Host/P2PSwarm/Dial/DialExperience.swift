package import NIOCore
import P2PIdentity
package import P2PMultiaddr

/// What dials have taught about the network, as a value: which addresses led to a connection last time, and which families and
/// transports never answer. It changes the order of later dials, never what they try.
package struct DialExperience: Sendable {
    /// What one dial teaches.
    struct Lesson: Sendable, Hashable {
        /// Where the peer was reached.
        let answered: Multiaddr
        /// Where it was not heard of, though it was there.
        let silent: [Multiaddr]
    }

    private struct Silence {
        /// Those that were reached otherwise, at most ``DialExperience/holePeers``.
        var peers: [PeerID]
        var last: NIODeadline
    }

    /// Addresses that are remembered as proved; the one that was proved longest ago makes room.
    package static let provedLimit = 1_024
    /// How long an attempt has to go without an answer for that to mean anything.
    static let tellingSilence = TimeAmount.milliseconds(200)
    /// So many different peers that were reached otherwise, with no answer in between, make a route a silent one: one of them may have a
    /// firewall of its own, or tell of addresses that it does not have.
    static let tellingPeers = 3
    /// So many make it a black hole: its addresses are left for the very end of a dial, but for one dial in ``probeInterval``.
    static let holePeers = 12
    /// Of so many dials one tries black holes as it does other silent routes, to see whether they still are some.
    static let probeInterval = 8
    /// For how long a silent route is one; then it is tried in its turn again.
    static let silenceTime = TimeAmount.minutes(10)

    private var proved: [Multiaddr: NIODeadline] = [:]
    /// As many as there are kinds of routes.
    private var silences: [DialRoute: Silence] = [:]
    /// Dials that have begun.
    private var dials = 0
    /// Whether the dial that has this experience is one that tries black holes.
    private var isProbe = false

    package init() {}

    /// The experience for the dial that begins.
    mutating func forNextDial() -> DialExperience {
        self.dials = (self.dials + 1) % Self.probeInterval
        var experience = self
        experience.isProbe = self.dials == 0
        return experience
    }

    package var provedCount: Int { self.proved.count }

    // MARK: Questions

    /// When the address led to a connection, if it did the last time.
    func proved(_ address: Multiaddr) -> NIODeadline? { self.proved[address] }

    /// Whether the address is of a family and a transport that nobody has answered by for a while.
    package func isSilent(_ address: Multiaddr, at now: NIODeadline) -> Bool {
        guard let route = DialRoute(address), let silence = self.silences[route] else { return false }
        return silence.peers.count >= Self.tellingPeers && silence.last + Self.silenceTime > now
    }

    /// Whether the address is of a family and a transport that carries nothing here, and that this dial does not try anew.
    package func isHole(_ address: Multiaddr, at now: NIODeadline) -> Bool {
        guard !self.isProbe, let route = DialRoute(address), let silence = self.silences[route] else { return false }
        return silence.peers.count >= Self.holePeers && silence.last + Self.silenceTime > now
    }

    // MARK: Facts

    /// A dial has come to a connection with the peer.
    mutating func learn(_ lesson: Lesson, of peer: PeerID, at now: NIODeadline) {
        for address in lesson.silent { self.proved[address] = nil }
        guard let route = DialRoute(lesson.answered) else { return }
        self.prove(lesson.answered, at: now)
        for silent in Set(lesson.silent.compactMap { DialRoute($0) }) where silent != route {
            self.heardNothing(of: peer, by: silent, at: now)
        }
        self.silences[route] = nil
    }

    /// Somebody answers at the address.
    mutating func answered(_ address: Multiaddr) {
        guard let route = DialRoute(address) else { return }
        self.silences[route] = nil
    }

    /// The address led nowhere.
    mutating func failed(_ address: Multiaddr) {
        self.proved[address] = nil
    }

    /// The network is another one than before: what it carries, and who is near, has to be found out again.
    mutating func networkChanged() {
        self.silences = [:]
        self.proved = self.proved.filter { DialRoute($0.key)?.isLocal == false }
    }

    private mutating func prove(_ address: Multiaddr, at now: NIODeadline) {
        if self.proved[address] == nil, self.proved.count >= Self.provedLimit,
            let oldest = self.proved.min(by: { $0.value < $1.value })
        {
            self.proved[oldest.key] = nil
        }
        self.proved[address] = now
    }

    private mutating func heardNothing(of peer: PeerID, by route: DialRoute, at now: NIODeadline) {
        var silence = self.silences[route] ?? Silence(peers: [], last: now)
        if silence.last + Self.silenceTime <= now { silence.peers = [] }
        if !silence.peers.contains(peer), silence.peers.count < Self.holePeers { silence.peers.append(peer) }
        silence.last = now
        self.silences[route] = silence
    }
}
