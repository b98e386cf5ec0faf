import P2PIdentity
import P2PMultiaddr

/// Multiaddrs: whatever is accepted can be written either way and read back as the same.
enum MultiaddrFuzzing {
    static func bytes(_ bytes: [UInt8]) {
        guard let address = try? Multiaddr(bytes: bytes) else { return }
        precondition(address.bytes == bytes, "the binary form of \(address) changed")
        Self.check(address)
    }

    static func text(_ bytes: [UInt8]) {
        guard let address = try? Multiaddr(String(decoding: bytes, as: UTF8.self)) else { return }
        Self.check(address)
    }

    private static func check(_ address: Multiaddr) {
        let text = address.description
        precondition(address.bytes.count <= Multiaddr.maxLength && text.utf8.count <= Multiaddr.maxTextLength)
        guard let reread = try? Multiaddr(bytes: address.bytes), reread == address else {
            preconditionFailure("the bytes of \(text) are refused")
        }
        do throws(MultiaddrError) {
            let parsed = try Multiaddr(text)
            precondition(parsed == address, "\(text) is read as \(parsed)")
        } catch {
            preconditionFailure("\(text) is refused: \(error)")
        }
        let components = address.components
        precondition((1...Multiaddr.maxComponents).contains(components.count))
        guard let joined = try? Multiaddr(components), joined == address else { preconditionFailure("\(text) does not join") }
        for component in components { Self.check(component) }
        Self.take(apart: address)
    }

    private static func check(_ component: MultiaddrComponent) {
        guard let fromValue = try? MultiaddrComponent(component.protocol, value: component.value), fromValue == component else {
            preconditionFailure("the value of \(component) is refused")
        }
        guard component.protocol.size != .none else { return }
        guard let fromText = try? MultiaddrComponent(component.protocol, text: component.text), fromText == component else {
            preconditionFailure("the text of \(component) is refused")
        }
        precondition(component.protocol != .p2p || component.peerID != nil)
        precondition(component.protocol != .certhash || component.multihash != nil)
    }

    /// Uses everything that looks into an address.
    private static func take(apart address: Multiaddr) {
        let bare = address.withoutPeerID
        precondition(address.components.count - bare.components.count == (address.peerID == nil ? 0 : 1))
        if let last = address.components.last, let peer = last.peerID, peer == address.peerID {
            precondition(bare.withPeerID(peer) == address || bare.peerID != nil, "\(address) is not \(bare) with its peer")
        }
        for component in address.components {
            precondition(address.contains(component.protocol))
            precondition(address.components.starts(with: address.decapsulating(component.protocol).components))
        }
        for endpoint in [address.tcpEndpoint, address.udpEndpoint] where endpoint != nil {
            precondition((endpoint?.remainder.count ?? 0) <= address.components.count - 2)
        }
        let scopes = [address.isLoopback, address.isPrivate, address.isUnspecified, address.isLinkLocal]
        precondition(!(address.isPublic && scopes.contains(true)), "\(address) is public and not")
    }
}
