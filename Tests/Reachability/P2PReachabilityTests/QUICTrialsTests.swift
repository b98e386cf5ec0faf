import NIOCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PReachability

@Suite("Whether UDP gets out is tried out")
struct QUICTrialsTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let peer: PeerID
    private var trials = QUICTrials()

    init() throws { self.peer = PeerID(try PrivateKey(ed25519Seed: [UInt8](repeating: 1, count: 32)).publicKey) }

    private mutating func meet(_ host: String, over part: String = "tcp/4001", listening: [String]? = nil) throws {
        let told = try (listening ?? ["/ip4/\(host)/tcp/4001", "/ip4/\(host)/udp/4001/quic-v1"]).map { try Multiaddr($0) }
        self.trials.met(self.peer, at: try Multiaddr("/ip4/\(host)/\(part)"), listening: told, now: self.start)
    }

    private var due: NIODeadline { self.start + QUICTrials.headStart }

    @Test("Silence of hosts in two networks, which ordinary dials have the time to break")
    mutating func silence() throws {
        try self.meet("45.1.0.1")
        try self.meet("45.1.0.2")
        try self.meet("45.2.0.1")
        let none1 = self.trials.next(at: self.start)
        #expect(none1 == nil)
        #expect(self.trials.isPending)
        let first = self.trials.next(at: self.due)
        #expect(first?.address == "/ip4/45.1.0.1/udp/4001/quic-v1")
        let none2 = self.trials.next(at: self.due)
        #expect(none2 == nil, "one at a time")
        self.trials.ended(silently: true, at: self.due)
        #expect(self.trials.silences == 1)
        let second = self.trials.next(at: self.due)
        #expect(second?.address == "/ip4/45.2.0.1/udp/4001/quic-v1", "another network")
        self.trials.ended(silently: true, at: self.due)
        #expect(self.trials.silences == QUICTrials.silenceNeeded && !self.trials.isPending)
        let none3 = self.trials.next(at: self.due)
        #expect(none3 == nil)
        let again = self.trials.next(at: self.due + QUICTrials.pause)
        #expect(again != nil, "the verdict is looked at again")
    }

    @Test("Any connection over QUIC ends it, and another network begins it anew")
    mutating func works() throws {
        try self.meet("45.1.0.1")
        _ = self.trials.next(at: self.due)
        self.trials.worked()
        self.trials.ended(silently: true, at: self.due)
        try self.meet("45.2.0.1")
        let none4 = self.trials.next(at: self.due)
        #expect(self.trials.hasWorked && self.trials.silences == 0 && none4 == nil)
        self.trials.moved()
        try self.meet("45.2.0.1")
        let anew = self.trials.next(at: self.due)
        #expect(anew != nil)
    }

    @Test("Only where the host itself was reached over TCP, on the internet, and only so many")
    mutating func who() throws {
        try self.meet("45.1.0.1", listening: ["/ip4/45.9.0.9/udp/4001/quic-v1"])
        try self.meet("45.1.0.1", listening: ["/ip4/45.1.0.1/udp/4001"])
        try self.meet("45.1.0.1", over: "udp/4001/quic-v1")
        try self.meet("192.168.1.1")
        try self.meet("45.1.0.1", over: "tcp/4001/p2p/\(self.peer)/p2p-circuit")
        let none5 = self.trials.next(at: self.due)
        #expect(none5 == nil)
        for number in 1...50 { try self.meet("45.\(number).0.1") }
        var count = 0
        while self.trials.next(at: self.due) != nil {
            count += 1
            self.trials.ended(silently: false, at: self.due)
        }
        #expect(count == QUICTrials.candidateLimit && self.trials.silences == 0)
    }
}
