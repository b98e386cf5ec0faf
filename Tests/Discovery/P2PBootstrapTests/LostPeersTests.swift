import NIOCore
import P2PCore
import P2PIdentity
import Testing

@testable import P2PBootstrap

@Suite("When lost peers are worth another dial")
struct LostPeersTests {
    private let peer: PeerID
    private let stranger: PeerID
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    init() throws {
        self.peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        self.stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
    }

    @Test("At once, then ever later while connections do not last, up to a minute")
    func pauses() {
        var lost = LostPeers([self.peer])
        var now = self.start
        for expected in [0, 1, 2, 4, 8, 16, 32, 60, 60] as [Int64] {
            lost.connected(self.peer, at: now)
            now = now + .seconds(1)
            #expect(lost.lost(self.peer, at: now) == .seconds(expected))
        }
        lost.connected(self.peer, at: now)
        now = now + .seconds(60)
        #expect(lost.lost(self.peer, at: now) == .zero)
    }

    @Test("Those that were not connected, or are nobody's business, are not lost")
    func others() {
        var lost = LostPeers([self.peer])
        #expect(lost.lost(self.peer, at: self.start) == nil)
        lost.connected(self.stranger, at: self.start)
        #expect(lost.connected.isEmpty && lost.lost(self.stranger, at: self.start) == nil)
        lost.connected(self.peer, at: self.start)
        #expect(lost.connected == [self.peer])
        #expect(lost.lost(self.peer, at: self.start) == .zero)
        #expect(lost.connected.isEmpty && lost.lost(self.peer, at: self.start) == nil)
    }

    @Test("A second connection beside the first makes it no younger")
    func second() {
        var lost = LostPeers([self.peer])
        lost.connected(self.peer, at: self.start)
        _ = lost.lost(self.peer, at: self.start)
        lost.connected(self.peer, at: self.start)
        lost.connected(self.peer, at: self.start + .seconds(50))
        #expect(lost.lost(self.peer, at: self.start + .seconds(60)) == .zero)
    }
}
