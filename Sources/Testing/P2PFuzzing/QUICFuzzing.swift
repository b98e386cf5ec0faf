import NIOCore
import P2PQUIC

/// Datagrams from anybody at a socket whose connections come and go.
enum QUICFuzzing {
    /// Ids and tokens are few, so that datagrams meet them.
    private static let names: UInt8 = 4

    static func datagrams(_ bytes: [UInt8]) {
        var input = ByteBuffer(bytes: bytes)
        var now = NIODeadline.uptimeNanoseconds(1)
        var router = QUICRouter<UInt8>(now: now)
        var known: Set<UInt8> = []
        while let operation = input.readInteger(as: UInt8.self) {
            let name = operation >> 4 % self.names
            switch operation & 0x07 {
            case 0:
                router.add(self.id(name), to: name)
                known.insert(name)
            case 1:
                router.remove(self.id(name))
                known.remove(name)
            case 2: now = now + .milliseconds(Int64(name) * 300)
            case 3: self.receive([0x40] + self.id(name).bytes + self.rest(&input), &router, known, at: now)
            case 4: self.receive(self.padded(self.rest(&input)), &router, known, at: now)
            default: self.receive(self.rest(&input), &router, known, at: now)
            }
        }
    }

    private static func id(_ name: UInt8) -> QUICConnectionID { QUICConnectionID(local: UInt64(name) &* 0x0101_0101) }

    /// A length, then so many bytes, as far as there are some.
    private static func rest(_ input: inout ByteBuffer) -> [UInt8] {
        let length = Int(input.readInteger(as: UInt8.self) ?? 0)
        return input.readBytes(length: min(length, input.readableBytes)) ?? []
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: max(0, QUICRouter<UInt8>.minimumInitial - bytes.count))
    }

    /// One datagram, and what must hold of the decision.
    private static func receive(_ datagram: [UInt8], _ router: inout QUICRouter<UInt8>, _ known: Set<UInt8>, at now: NIODeadline) {
        switch datagram.withUnsafeBytes({ router.received($0, isListening: true, at: now) }) {
        case .deliver(let name): precondition(known.contains(name), "a datagram went to a connection that is not there")
        case .reset: preconditionFailure("nobody gave a reset token")
        case .arrival(let header):
            precondition(header.isInitial && datagram.count >= QUICRouter<UInt8>.minimumInitial, "an arrival that is not a padded Initial")
        case .negotiateVersion(let header):
            precondition(header.version != QUICPacketHeader.version1 && header.version != 0, "version 1 was refused")
            precondition(datagram.count >= QUICRouter<UInt8>.minimumInitial, "an answer to a small datagram")
        case .sendReset(_, let limit):
            precondition(limit < datagram.count && limit >= QUICRouter<UInt8>.minimumReset, "a reset as long as what it answers")
        case .drop: break
        }
    }
}
