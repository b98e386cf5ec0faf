package import NIOCore
package import P2PMultiaddr
import P2PProtobuf

/// The messages of AutoNAT's second version (libp2p specs, "AutoNAT v2").
package enum AutoNATv2Message: Equatable {
    /// Bytes of a message.
    static let maximumLength = 8_192
    /// Addresses of a request that are looked at.
    static let maximumAddresses = 50
    /// Bytes of dial data that a server may ask for, and what one message of them holds: rust takes no longer ones.
    static let dialData: ClosedRange<UInt64> = 30_000...100_000
    static let dataLength = 4_000
    /// Shorter messages of dial data would cost the server more than the client.
    static let leastDataLength = 100

    package struct Status: Equatable, Hashable {
        let code: UInt64

        static let internalError = Status(code: 0)
        static let requestRejected = Status(code: 100)
        static let dialRefused = Status(code: 101)
        static let ok = Status(code: 200)
    }

    package struct DialStatus: Equatable, Hashable {
        let code: UInt64

        static let unused = DialStatus(code: 0)
        static let dialError = DialStatus(code: 100)
        static let dialBackError = DialStatus(code: 101)
        static let ok = DialStatus(code: 200)
    }

    /// In order of preference; nil stands for an address that is none, so that the others keep their number.
    case dialRequest([Multiaddr?], nonce: UInt64)
    case dialResponse(Status, address: Int, DialStatus)
    case dialDataRequest(address: Int, bytes: UInt64)
    /// The length of the data; what is in it does not matter.
    case dialData(Int)

    /// - Throws: for what is no message of this protocol.
    package init(reading message: ByteBuffer) throws(AutoNATError) {
        var reader = ProtobufReader(message)
        var read: AutoNATv2Message?
        while let (field, value) = try reader.nextField() {
            guard case .bytes(let inner) = value else { continue }
            switch field {
            case 1: read = try Self.request(inner)
            case 2: read = try Self.response(inner)
            case 3: read = try Self.dataRequest(inner)
            case 4: read = try Self.data(inner)
            default: break
            }
        }
        guard let read else { throw AutoNATError.malformed }
        self = read
    }

    private static func request(_ message: ByteBuffer) throws(AutoNATError) -> AutoNATv2Message {
        var reader = ProtobufReader(message)
        var (addresses, nonce): ([Multiaddr?], UInt64?) = ([], nil)
        while let (field, value) = try reader.nextField() {
            switch (field, value) {
            case (1, .bytes(let bytes)):
                if addresses.count < Self.maximumAddresses { addresses.append(try? Multiaddr(bytes: bytes.readableBytesView)) }
            case (2, .fixed64(let number)): nonce = number
            default: break
            }
        }
        return .dialRequest(addresses, nonce: nonce ?? 0)
    }

    private static func response(_ message: ByteBuffer) throws(AutoNATError) -> AutoNATv2Message {
        var reader = ProtobufReader(message)
        var (status, index, dial): (UInt64, UInt64, UInt64) = (0, 0, 0)
        while let (field, value) = try reader.nextField() {
            guard case .varint(let number) = value else { continue }
            switch field {
            case 1: status = number
            case 2: index = number
            case 3: dial = number
            default: break
            }
        }
        return .dialResponse(Status(code: status), address: Int(clamping: index), DialStatus(code: dial))
    }

    private static func dataRequest(_ message: ByteBuffer) throws(AutoNATError) -> AutoNATv2Message {
        var reader = ProtobufReader(message)
        var (index, bytes): (UInt64, UInt64) = (0, 0)
        while let (field, value) = try reader.nextField() {
            guard case .varint(let number) = value else { continue }
            if field == 1 { index = number }
            if field == 2 { bytes = number }
        }
        return .dialDataRequest(address: Int(clamping: index), bytes: bytes)
    }

    private static func data(_ message: ByteBuffer) throws(AutoNATError) -> AutoNATv2Message {
        var reader = ProtobufReader(message)
        var length = 0
        while let (field, value) = try reader.nextField() {
            if field == 1, case .bytes(let bytes) = value { length = bytes.readableBytes }
        }
        return .dialData(length)
    }

    package var bytes: ByteBuffer {
        var writer = ProtobufWriter()
        switch self {
        case .dialRequest(let addresses, let nonce):
            writer.write(1) { request in
                for address in addresses { request.write(1, bytes: address?.bytes ?? []) }
                request.write(2, fixed64: nonce)
            }
        case .dialResponse(let status, let address, let dial):
            writer.write(2) { response in
                response.write(1, varint: status.code)
                response.write(2, varint: UInt64(address))
                response.write(3, varint: dial.code)
            }
        case .dialDataRequest(let address, let bytes):
            writer.write(3) { request in
                request.write(1, varint: UInt64(address))
                request.write(2, varint: bytes)
            }
        case .dialData(let length):
            writer.write(4) { data in data.write(1, bytes: repeatElement(0, count: length)) }
        }
        return writer.buffer
    }
}

/// What a server says on the connection that it was asked for (`/libp2p/autonat/2/dial-back`).
package enum DialBackMessage {
    static let maximumLength = 128

    package static func bytes(nonce: UInt64) -> ByteBuffer {
        var writer = ProtobufWriter()
        writer.write(1, fixed64: nonce)
        return writer.buffer
    }

    package static func nonce(in message: ByteBuffer) throws(AutoNATError) -> UInt64 {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.nextField() {
            if field == 1, case .fixed64(let nonce) = value { return nonce }
        }
        throw AutoNATError.malformed
    }
}
