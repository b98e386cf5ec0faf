import NIOCore
import P2PCore
import P2PTLS

/// The first message of a TLS dialer: whole or in pieces it says the same.
enum ClientHelloFuzzing {
    private static let muxers: [ProtocolID] = ["/yamux/1.0.0", "/mplex/6.7.0"]

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let message = input.remainder()
        var reader = ClientHelloReader()
        let whole = reader.read(ByteBuffer(bytes: message).readableBytesView)
        precondition(self.read(FuzzInput.pieces(of: message, seed: seed)) == whole, "a message in pieces says something else")
        guard case .offers(let offers) = whole else { return }
        precondition(offers.allSatisfy { !$0.isEmpty && $0.count <= 255 }, "a name of an impossible length")
        if let choice = ApplicationProtocols.choice(from: offers, muxers: self.muxers) {
            precondition(offers.contains(Array(choice.utf8)), "a protocol is chosen that was not offered")
            precondition(choice == "libp2p" || self.muxers.contains(ProtocolID(choice)), "a protocol is chosen that is not ours")
        } else {
            precondition(!offers.contains(Array("libp2p".utf8)), "libp2p is offered and not chosen")
        }
    }

    private static func read(_ pieces: [[UInt8]]) -> ClientHelloReader.Progress {
        var reader = ClientHelloReader()
        var buffer = ByteBuffer()
        for piece in pieces {
            buffer.writeBytes(piece)
            let progress = reader.read(buffer.readableBytesView)
            if progress != .more { return progress }
        }
        return .more
    }

    /// A message that offers these names, in records of so many bytes.
    static func message(offering names: [String], recordSize: Int = 16_384) -> [UInt8] {
        func vector(_ content: [UInt8]) -> [UInt8] { [UInt8(content.count >> 8 & 0xff), UInt8(content.count & 0xff)] + content }
        let list = vector(names.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) })
        let extensions = vector([0, 0, 0, 0, 0, 16] + vector(list) + [0, 43, 0, 3, 2, 3, 4])
        let hello = [3, 3] + [UInt8](repeating: 7, count: 32) + [1, 9] + vector([0x13, 1]) + [1, 0] + extensions
        var rest = ([1, 0] + vector(hello))[...]
        var wire: [UInt8] = []
        while !rest.isEmpty {
            wire += [22, 3, 1] + vector(Array(rest.prefix(recordSize)))
            rest = rest.dropFirst(recordSize)
        }
        return wire
    }
}
