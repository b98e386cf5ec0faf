package import NIOCore
import P2PMultiaddr
import P2PProtobuf

/// The one message of AutoNAT's first version (libp2p specs, "AutoNAT v1"): a wish to be dialled, or what has come of it.
package struct AutoNATv1Message: Equatable {
    /// Bytes of a message.
    static let maximumLength = 4_096
    /// Addresses that are looked at.
    static let maximumAddresses = 16

    struct Status: Equatable, Hashable {
        let code: UInt64

        static let ok = Status(code: 0)
        static let dialError = Status(code: 100)
        static let dialRefused = Status(code: 101)
        static let badRequest = Status(code: 200)
        static let internalError = Status(code: 300)
    }

    enum Body: Equatable {
        case dial(peer: [UInt8], addresses: [Multiaddr])
        case response(Status, text: String, address: Multiaddr?)
    }

    let body: Body

    init(_ body: Body) { self.body = body }

    /// - Throws: for what is no message of this protocol. Addresses that are none are left out.
    package init(reading message: ByteBuffer) throws(AutoNATError) {
        var (type, peer, response): (UInt64?, (id: [UInt8], addresses: [Multiaddr])?, Body?)
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.nextField() {
            switch (field, value) {
            case (1, .varint(let number)): type = number
            case (2, .bytes(let dial)): peer = try Self.peer(in: dial)
            case (3, .bytes(let answer)): response = try Self.response(in: answer)
            default: break
            }
        }
        switch (type, peer, response) {
        case (0, let peer?, _): self.body = .dial(peer: peer.id, addresses: peer.addresses)
        case (1, _, let response?): self.body = response
        default: throw AutoNATError.malformed
        }
    }

    private static func peer(in dial: ByteBuffer) throws(AutoNATError) -> (id: [UInt8], addresses: [Multiaddr])? {
        var reader = ProtobufReader(dial)
        var found: (id: [UInt8], addresses: [Multiaddr])?
        while let (field, value) = try reader.nextField() {
            guard field == 1, case .bytes(let peer) = value else { continue }
            var inner = ProtobufReader(peer)
            var (id, addresses): ([UInt8], [Multiaddr]) = ([], [])
            while let (field, value) = try inner.nextField() {
                guard case .bytes(let bytes) = value else { continue }
                if field == 1 { id = Array(bytes.readableBytesView) }
                if field == 2, addresses.count < Self.maximumAddresses, let address = try? Multiaddr(bytes: bytes.readableBytesView) {
                    addresses.append(address)
                }
            }
            found = (id, addresses)
        }
        return found
    }

    private static func response(in answer: ByteBuffer) throws(AutoNATError) -> Body {
        var reader = ProtobufReader(answer)
        var (status, text, address): (UInt64, String, Multiaddr?) = (0, "", nil)
        while let (field, value) = try reader.nextField() {
            switch (field, value) {
            case (1, .varint(let number)): status = number
            case (2, .bytes(let bytes)): text = String(decoding: bytes.readableBytesView, as: UTF8.self)
            case (3, .bytes(let bytes)): address = try? Multiaddr(bytes: bytes.readableBytesView)
            default: break
            }
        }
        return .response(Status(code: status), text: text, address: address)
    }

    package var bytes: ByteBuffer {
        var writer = ProtobufWriter()
        switch self.body {
        case .dial(let peer, let addresses):
            writer.write(1, varint: 0)
            writer.write(2) { dial in
                dial.write(1) { inner in
                    inner.write(1, bytes: peer)
                    for address in addresses { inner.write(2, bytes: address.bytes) }
                }
            }
        case .response(let status, let text, let address):
            writer.write(1, varint: 1)
            writer.write(3) { response in
                response.write(1, varint: status.code)
                if !text.isEmpty { response.write(2, bytes: Array(text.utf8)) }
                if let address { response.write(3, bytes: address.bytes) }
            }
        }
        return writer.buffer
    }
}
