import NIOCore
import P2PCore
import P2PIdentity
import Testing

@testable import P2PSwarm

@Suite("What is said of peers")
struct PeerTagsTests {
    private let peers = (0..<2).compactMap { _ in try? PeerID(PrivateKey.generate(.ed25519).publicKey) }
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func reasons(_ tags: PeerTags, after seconds: Int64 = 0) -> [String] {
        tags.reasons(for: self.peers[0], at: self.start + .seconds(seconds)).map(\.description)
    }

    @Test("A tag holds until it is taken back, and saying it again replaces it")
    func permanent() {
        var tags = PeerTags()
        tags.set("dht", of: self.peers[0], to: 5, at: self.start)
        tags.set("bad", of: self.peers[0], to: -20, at: self.start)
        tags.set("dht", of: self.peers[0], to: 7, at: self.start)
        #expect(self.reasons(tags, after: 1_000_000) == ["tag:bad -20", "tag:dht +7"])
        #expect(tags.reasons(for: self.peers[1], at: self.start).isEmpty)
        tags.remove("dht", of: self.peers[0])
        tags.remove("bad", of: self.peers[0])
        tags.remove("never", of: self.peers[1])
        #expect(self.reasons(tags).isEmpty && tags.taggedCount == 0)
    }

    @Test(
        "A fading tag loses half of what it has in each half-life, steadily",
        arguments: [(0, 100), (5, 75), (10, 50), (15, 37), (20, 25), (30, 12), (60, 1), (70, 0), (1_000_000_000, 0)])
    func fading(seconds: Int64, points: Int) {
        var tags = PeerTags()
        tags.add(100, to: "served", of: self.peers[0], halfLife: .seconds(10), at: self.start)
        #expect(tags.reasons(for: self.peers[0], at: self.start + .seconds(seconds)).map(\.points) == [points])
    }

    @Test("What is added joins what is left, and a tag stays within its bounds")
    func adding() {
        var tags = PeerTags()
        tags.add(100, to: "served", of: self.peers[0], halfLife: .seconds(10), at: self.start)
        tags.add(100, to: "served", of: self.peers[0], halfLife: .seconds(10), at: self.start + .seconds(10))
        #expect(self.reasons(tags, after: 10) == ["tag:served +150"])
        for _ in 0..<3 { tags.add(.max, to: "served", of: self.peers[0], halfLife: .zero, at: self.start) }
        tags.set("least", of: self.peers[0], to: .min, at: self.start)
        #expect(self.reasons(tags) == ["tag:least -1000000", "tag:served +1000000"])
        #expect(self.reasons(tags, after: 1) == ["tag:least -1000000", "tag:served 0"])
    }

    @Test("Several protect a peer, and each takes back its own")
    func protection() {
        var tags = PeerTags()
        tags.protect(self.peers[0], for: "relay")
        tags.protect(self.peers[0], for: "friend")
        tags.protect(self.peers[0], for: "relay")
        #expect(tags.protections(of: self.peers[0]) == ["friend", "relay"])
        let isLeft = [("relay", 0), ("unknown", 0), ("friend", 0), ("friend", 1)].map { name, peer in
            tags.unprotect(self.peers[peer], for: name)
        }
        #expect(isLeft == [true, true, false, false])
        #expect(tags.protections(of: self.peers[0]).isEmpty)
    }

    @Test("A peer has so many tags and no more; what has faded makes room")
    func tagLimit() {
        var tags = PeerTags()
        for number in 0..<PeerTags.tagLimit { tags.add(1, to: "\(number)", of: self.peers[0], halfLife: .seconds(1), at: self.start) }
        tags.set("one more", of: self.peers[0], to: 1, at: self.start)
        #expect(self.reasons(tags).count == PeerTags.tagLimit)
        tags.set("1", of: self.peers[0], to: 3, at: self.start)
        tags.set("one more", of: self.peers[0], to: 1, at: self.start + .seconds(3))
        #expect(self.reasons(tags, after: 3) == ["tag:1 +3", "tag:one more +1"])
    }

    @Test("So many peers have tags and no more; those who are worth least are forgotten, and what protects is not")
    func peerLimit() throws {
        var tags = PeerTags()
        let key = try PrivateKey.generate(.ed25519).publicKey
        var strangers: [PeerID] = []
        for number in 0..<(PeerTags.peerLimit - 1) {
            // An id like any other, without the cost of a key.
            var bytes = PeerID(key).bytes
            withUnsafeBytes(of: UInt32(number)) { bytes.replaceSubrange((bytes.count - 4)..., with: $0) }
            strangers.append(try PeerID(bytes: bytes))
        }
        for (number, stranger) in strangers.enumerated() { tags.set("seen", of: stranger, to: number, at: self.start) }
        tags.set("friend", of: self.peers[0], to: 1_000_000, at: self.start)
        tags.protect(strangers[0], for: "me")
        tags.set("seen", of: self.peers[1], to: 1, at: self.start)
        #expect(tags.taggedCount == PeerTags.peerLimit / 4 * 3 + 1)
        #expect(self.reasons(tags) == ["tag:friend +1000000"] && !tags.protections(of: strangers[0]).isEmpty)
        #expect(tags.reasons(for: strangers[0], at: self.start).isEmpty)
        #expect(tags.reasons(for: strangers[strangers.count - 1], at: self.start).count == 1)
    }
}
