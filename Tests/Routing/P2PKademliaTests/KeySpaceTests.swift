import P2PIdentity
import P2PMultiformats
import Testing

@testable import P2PKademlia

@Suite("The key space")
struct KeySpaceTests {
    @Test("Places are those that other implementations give")
    func vectors() throws {
        let peer = try PeerID(string: "12D3KooWLU2znyJMtDiHArqAGbZn8CgUGp92kxDBtefftEEaHSZS")
        #expect(Base16.encode(KademliaPoint(of: peer).bytes) == "e43d28f0996557c0d5571d75c62a57a59d7ac1d30a51ecedcdb9d5e4afa56100")
        let multihash = try Fixture.hex("1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe")
        #expect(
            Base16.encode(KademliaPoint(ofKey: multihash).bytes) == "d623250f3f660ab4c3a53d3c97b3f6a0194c548053488d093520206248253bcb")
        let ones = try Fixture.peer(1)
        #expect(ones.description == "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5")
        #expect(Base16.encode(KademliaPoint(of: ones).bytes) == "2ea99e04b7226ebb09856fdd2c3df7aad5dbc53dbcbb110d5e1ff64b7626122e")
        #expect(
            Base16.encode(KademliaPoint(ofKey: IPNSRecord.key(of: ones)).bytes)
                == "e57d8741d9a7b87f23c53b92424cf90733a7d988edc805883ae678fb5261bd2d")
    }

    @Test("Distance is the exclusive or, compared as a number; the bits in common are those before its first")
    func distances() {
        let zero = KademliaPoint(0, 0, 0, 0)
        let near = KademliaPoint(0, 0, 0, 1)
        let far = KademliaPoint(1 << 63, 0, 0, 0)
        #expect(zero.distance(to: near) < zero.distance(to: far))
        #expect(zero.commonPrefix(with: zero) == 256)
        #expect(zero.commonPrefix(with: near) == 255)
        #expect(zero.commonPrefix(with: far) == 0)
        #expect(far.distance(to: near) == near.distance(to: far))
        for bit in [0, 1, 63, 64, 127, 128, 200, 255] { #expect(zero.commonPrefix(with: zero.flippingBit(bit)) == bit) }
        #expect(zero.distance(to: far).fraction == 0.5)
    }

    @Test("A key is found for each bucket that is looked through", arguments: [0, 1, 5, 9])
    func refreshKeys(bucket: Int) throws {
        let own = KademliaPoint(of: try Fixture.peer(1))
        let key = try #require(RoutingTable.key(in: bucket, of: own, startingAt: 99))
        #expect(key.count == 34 && key.prefix(2) == [0x12, 0x20])
        #expect(KademliaPoint(ofKey: key).commonPrefix(with: own) == bucket)
    }
}
