import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Whether UDP gets out of this network, tried out at peers that are reached over TCP; a value that is told the time.
///
/// A node behind a network that lets no UDP out meets everybody over TCP, and nobody would ever say why. So a peer that says that it listens with QUIC
/// at the very host where it was reached is dialled there once. It takes silence from hosts in two networks; any connection over QUIC ends it.
struct QUICTrials {
    /// One dial.
    struct Trial: Hashable, Sendable {
        let peer: PeerID
        let address: Multiaddr
    }

    /// Networks (IPv4 /24, IPv6 /48) whose silence makes UDP blocked.
    static let silenceNeeded = 2
    /// Peers that are remembered; those beyond are not tried.
    static let candidateLimit = 8
    /// What ordinary dials over QUIC have before the first trial.
    static let headStart = TimeAmount.seconds(3)
    /// How long a verdict stands before one more trial.
    static let pause = TimeAmount.minutes(15)

    private struct Candidate {
        let trial: Trial
        let network: NetworkKey
        let dueAt: NIODeadline
    }

    private var candidates: [Candidate] = []
    private var silent: Set<NetworkKey> = []
    private var running: Candidate?
    /// UDP has got through since the network is what it is.
    private(set) var hasWorked = false

    /// How many networks have kept silent.
    var silences: Int { self.silent.count }

    /// Whether the verdict may change soon.
    var isPending: Bool {
        !self.hasWorked && self.silent.count < Self.silenceNeeded && (self.running != nil || !self.candidates.isEmpty)
    }

    /// A peer was reached over TCP, and says where it listens.
    mutating func met(_ peer: PeerID, at address: Multiaddr, listening: [Multiaddr], now: NIODeadline) {
        guard !self.hasWorked, let ip = address.ipAddress, ip.isPublic, address.tcpEndpoint != nil, !address.isRelayed,
            self.candidates.count < Self.candidateLimit,
            let target = listening.first(where: {
                $0.ipAddress == ip && !$0.isRelayed && $0.udpEndpoint?.remainder.map(\.protocol).first == .quicV1
            })
        else { return }
        let network = NetworkKey(ip)
        guard !self.silent.contains(network), !self.candidates.contains(where: { $0.network == network }), self.running?.network != network
        else { return }
        self.candidates.append(
            Candidate(trial: Trial(peer: peer, address: target.withoutPeerID), network: network, dueAt: now + Self.headStart))
    }

    /// There is a connection over QUIC.
    mutating func worked() {
        self.hasWorked = true
        self.candidates = []
        self.silent = []
    }

    /// The network is another one.
    mutating func moved() { self = QUICTrials() }

    /// What to dial now; one at a time.
    mutating func next(at now: NIODeadline) -> Trial? {
        guard !self.hasWorked, self.running == nil, let index = self.candidates.firstIndex(where: { $0.dueAt <= now }) else { return nil }
        let candidate = self.candidates.remove(at: index)
        self.running = candidate
        return candidate.trial
    }

    /// Nobody answered; or, where the dial says nothing of the network, somebody else is asked.
    mutating func ended(silently: Bool, at now: NIODeadline) {
        guard let candidate = self.running else { return }
        self.running = nil
        guard silently, !self.hasWorked else { return }
        self.silent.insert(candidate.network)
        guard self.silent.count >= Self.silenceNeeded else { return }
        // One more, later, and nobody else before.
        self.candidates = [Candidate(trial: candidate.trial, network: candidate.network, dueAt: now + Self.pause)]
    }
}
