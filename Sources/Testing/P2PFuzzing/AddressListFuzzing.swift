import P2PCore
import P2PMultiaddr
import P2PResolver

/// The texts that name servers tell for `/dnsaddr`.
enum AddressListFuzzing {
    /// A walk over whatever lists: it ends, keeps to its bounds, and brings nothing but what was asked for.
    ///
    /// The input is a flag for the peer, then texts after their lengths; a length of 0 ends a list.
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let limits = AddressListLimits(depth: 3, names: 8, records: 16, addresses: 12)
        let peer = input.byte() & 1 == 0 ? nil : FuzzIdentity.peer
        guard let bare = try? Multiaddr("/dnsaddr/a.example"),
            var walk = try? AddressListWalk(peer.map { bare.withPeerID($0) } ?? bare, limits: limits)
        else { preconditionFailure("our own list is refused") }
        var asked: Set<String> = []
        for _ in 0..<limits.depth {
            for list in walk.next() {
                precondition(asked.insert(list.domain.lowercased()).inserted, "a name is asked for twice")
                precondition(list.domain.hasPrefix("_dnsaddr.") && list.domain.utf8.count <= 253)
                var texts: [[UInt8]] = []
                while !input.isEmpty, texts.count < 64 {
                    let length = Int(input.byte())
                    if length == 0 { break }
                    texts.append(input.take(length))
                }
                walk.told(texts, of: list)
            }
        }
        precondition(walk.next().isEmpty, "the walk goes deeper than it may")
        precondition(asked.count <= limits.names && walk.addresses.count <= limits.addresses)
        for address in walk.addresses {
            precondition(!address.isAddressList && (peer == nil || address.components.last?.peerID == peer))
        }
    }

    /// Lists to begin with.
    static let seeds: [[UInt8]] = {
        let texts = [
            "dnsaddr=/ip4/1.2.3.4/tcp/1/p2p/\(FuzzIdentity.peer)", "dnsaddr=/dnsaddr/b.example/p2p/\(FuzzIdentity.peer)", "",
            "dnsaddr=/dnsaddr/a.example", "dnsaddr=/dns4/c.example/udp/9/quic-v1/p2p/\(FuzzIdentity.peer)",
        ].map { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }.joined()
        return [[0] + texts, [1] + texts]
    }()
}
