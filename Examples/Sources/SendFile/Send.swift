import ArgumentParser
import Foundation
import P2P

/// Sends one file.
struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Send a file.")

    /// Bytes that are read, and handed to the stream, at a time.
    private static let piece = 256 * 1_024

    @Argument(help: "The file.")
    var file: String

    @Argument(help: "The receiver's address, as it prints it.")
    var address: String

    @Option(help: "The name to suggest to the receiver; by default the file's own.")
    var name: String?

    func run() async throws {
        let file = URL(filePath: self.file)
        let (size, digest) = try Checksum.sha256(of: file)
        let offer = Offer(name: self.name ?? file.lastPathComponent, size: size, sha256: digest)
        let host = try await PeerHost.standard()
        try await host.running { host in
            let stream = try await host.connect(to: Multiaddr(self.address)).openStream(Wire.protocolID)
            try await stream.writeMessage(offer)
            try await self.send(file, of: size, from: try await self.answer(on: stream).offset, over: stream)
            try await stream.finish()
            _ = try await self.answer(on: stream)
        }
        show("sent: \(offer.name), SHA-256 \(digest)")
    }

    /// Hands the file over to the stream, which suspends us while the receiver is slower than the disk.
    private func send(_ file: URL, of size: Int64, from offset: Int64, over stream: PeerStream) async throws {
        guard (0...size).contains(offset) else { throw Refusal("the receiver wants to go on at \(offset) of \(size) bytes") }
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(offset))
        var progress = ProgressLine("sending", of: size, from: offset)
        while let bytes = try handle.read(upToCount: Self.piece), !bytes.isEmpty {
            try await stream.write(bytes: [UInt8](bytes))
            progress.advance(by: bytes.count)
        }
        progress.end()
    }

    private func answer(on stream: PeerStream) async throws -> Answer {
        guard let answer = try await stream.readMessage(as: Answer.self) else { throw Refusal("the receiver went away") }
        if let refusal = answer.refusal { throw Refusal("the receiver says: \(printable(refusal))") }
        return answer
    }
}
