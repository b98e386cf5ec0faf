import NIOCore
import P2PCore

/// What stands before a frame's payload (RFC 6455, section 5.2).
struct WebSocketFrameHeader: Equatable, Sendable {
    /// The longest header, in bytes.
    static let maximumLength = 14

    var isFinal: Bool
    var opcode: WebSocketOpcode
    /// The masking key as a big-endian number; nil for a payload in the clear.
    var maskingKey: UInt32?
    /// Bytes of payload, below 2^63.
    var length: UInt64

    /// Appends the shortest encoding, the only one that is allowed.
    func write(to buffer: inout ByteBuffer) {
        let masked: UInt8 = self.maskingKey == nil ? 0 : 0x80
        buffer.writeInteger((self.isFinal ? 0x80 : 0) | self.opcode.rawValue)
        switch self.length {
        case 0..<126:
            buffer.writeInteger(masked | UInt8(truncatingIfNeeded: self.length))
        case 126..<65_536:
            buffer.writeMultipleIntegers(masked | 126, UInt16(truncatingIfNeeded: self.length))
        default:
            buffer.writeMultipleIntegers(masked | 127, self.length)
        }
        if let key = self.maskingKey { buffer.writeInteger(key) }
    }
}

/// Collects a frame's header from pieces of any size, and checks each byte as soon as it can be judged.
struct WebSocketFrameHeaderReader {
    /// Which end reads.
    private let side: WebSocketSide
    private var bytes: [UInt8] = []

    init(side: WebSocketSide) {
        self.side = side
        self.bytes.reserveCapacity(WebSocketFrameHeader.maximumLength)
    }

    /// Takes what it needs from `input`; nil until the header is complete.
    mutating func read(from input: inout ByteBuffer) throws(WebSocketError) -> WebSocketFrameHeader? {
        while let byte = input.readInteger(as: UInt8.self) {
            self.bytes.append(byte)
            switch self.bytes.count {
            case 1: try self.checkFirst(byte)
            case 2: try self.checkSecond(byte)
            default: break
            }
            guard self.bytes.count >= 2, self.bytes.count == self.needed else { continue }
            let header = try self.header()
            self.bytes.removeAll(keepingCapacity: true)
            return header
        }
        return nil
    }

    private var isMasked: Bool { self.bytes[1] & 0x80 != 0 }
    private var lengthBytes: Int {
        switch self.bytes[1] & 0x7f {
        case 126: 2
        case 127: 8
        default: 0
        }
    }
    private var needed: Int { 2 + self.lengthBytes + (self.isMasked ? 4 : 0) }

    private func checkFirst(_ byte: UInt8) throws(WebSocketError) {
        guard byte & 0x70 == 0 else {
            throw WebSocketError(
                .protocolError, "a frame sets reserved bits (0x\(String(byte & 0x70, radix: 16))), no extension was agreed")
        }
        guard let opcode = WebSocketOpcode(rawValue: byte & 0x0f) else {
            throw WebSocketError(.protocolError, "a frame has the reserved opcode 0x\(String(byte & 0x0f, radix: 16))")
        }
        guard byte & 0x80 != 0 || !opcode.isControl else {
            throw WebSocketError(.protocolError, "a \(opcode) frame is fragmented")
        }
    }

    private func checkSecond(_ byte: UInt8) throws(WebSocketError) {
        switch self.side {
        case .server where byte & 0x80 == 0: throw WebSocketError(.protocolError, "a client's frame is not masked")
        case .client where byte & 0x80 != 0: throw WebSocketError(.protocolError, "a server's frame is masked")
        default: break
        }
        if self.bytes[0] & 0x08 != 0, byte & 0x7f > UInt8(WebSocketLimits.control) {
            throw WebSocketError(.protocolError, "a control frame is longer than \(WebSocketLimits.control) bytes")
        }
    }

    private func header() throws(WebSocketError) -> WebSocketFrameHeader {
        guard let opcode = WebSocketOpcode(rawValue: self.bytes[0] & 0x0f) else {
            throw WebSocketError(.protocolError, "a frame has a reserved opcode")
        }
        var length = UInt64(self.bytes[1] & 0x7f)
        if self.lengthBytes > 0 {
            length = self.bytes[2..<2 + self.lengthBytes].reduce(0) { $0 << 8 | UInt64($1) }
            let least: UInt64 = self.lengthBytes == 2 ? 126 : 65_536
            guard length >= least else {
                throw WebSocketError(.protocolError, "a frame says its length of \(length) in \(self.lengthBytes) bytes instead of fewer")
            }
            guard length <= UInt64(Int64.max) else {
                throw WebSocketError(.protocolError, "a frame's length has its highest bit set")
            }
        }
        let key = self.isMasked ? self.bytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) } : nil
        return WebSocketFrameHeader(isFinal: self.bytes[0] & 0x80 != 0, opcode: opcode, maskingKey: key, length: length)
    }
}
