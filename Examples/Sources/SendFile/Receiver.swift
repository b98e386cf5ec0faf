import Foundation
import P2P
import Synchronization

/// Serves the protocol: keeps what peers send in one folder.
///
/// What has come so far is in a `.part` file, named after what it is a part of, until the whole is here and its hash is right.
final class Receiver: ProtocolHandler {
    /// Bytes that are taken from the stream, and written to the disk, at a time.
    private static let piece = 256 * 1_024

    let protocolIDs: [ProtocolID] = [Wire.protocolID]
    let limits = StreamLimits(inboundPerPeer: 2)

    private let folder: URL
    private let largest: Int64
    /// The `.part` files that are being written.
    private let busy = Mutex<Set<String>>([])

    init(folder: URL, largest: Int64) {
        self.folder = folder
        self.largest = largest
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard let offer = try await stream.readMessage(as: Offer.self) else { return }
        do {
            let target = try self.target(of: offer)
            let part = "\(target.path(percentEncoded: false)).\(offer.sha256.prefix(16)).part"
            guard self.busy.withLock({ $0.insert(part).inserted }) else { throw Refusal("somebody is sending that file already") }
            defer { self.busy.withLock { _ = $0.remove(part) } }
            try await self.fill(part, with: offer, from: stream)
            try self.keep(part, as: target, of: offer)
            try await stream.writeMessage(Answer(offset: offer.size))
            show("received: \(target.lastPathComponent), \(offer.size) bytes from \(connection.remotePeer)")
        } catch let refusal as Refusal {
            show("refused: \(printable(offer.name)) from \(connection.remotePeer): \(refusal)")
            try await stream.writeMessage(Answer(refusal: refusal.description))
        }
    }

    /// Where the file goes, if it may.
    private func target(of offer: Offer) throws -> URL {
        guard let name = FileName.safe(offer.name) else { throw Refusal("that is not the name of a file") }
        guard (0...self.largest).contains(offer.size) else { throw Refusal("at most \(self.largest) bytes are taken") }
        guard offer.sha256.utf8.count == 64, offer.sha256.allSatisfy(\.isHexDigit) else { throw Refusal("that is not a SHA-256") }
        let target = self.folder.appending(path: name, directoryHint: .notDirectory)
        guard !FileManager.default.fileExists(atPath: target.path(percentEncoded: false)) else {
            throw Refusal("there is a file of that name already")
        }
        return target
    }

    /// Says how much is here, and appends the rest.
    private func fill(_ part: String, with offer: Offer, from stream: PeerStream) async throws {
        let descriptor = open(part, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Refusal("the receiver can't write there") }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var here = Int64(try handle.seekToEnd())
        if here > offer.size {
            try handle.truncate(atOffset: 0)
            here = 0
        }
        try await stream.writeMessage(Answer(offset: here))
        var progress = ProgressLine("receiving", of: offer.size, from: here)
        while let bytes = try await stream.readBytes(upTo: Self.piece) {
            guard Int64(bytes.count) <= offer.size - here else { throw Refusal("there is more of it than was announced") }
            try handle.write(contentsOf: Data(bytes))
            here += Int64(bytes.count)
            progress.advance(by: bytes.count)
        }
        progress.end()
        guard here == offer.size else { throw Refusal("\(offer.size - here) bytes are missing") }
        try handle.synchronize()
    }

    /// Gives the file its name, unless there is one of that name by now: making a link fails then.
    private func keep(_ part: String, as target: URL, of offer: Offer) throws {
        guard try Checksum.sha256(of: URL(filePath: part)).digest == offer.sha256.lowercased() else {
            unlink(part)
            throw Refusal("the SHA-256 is another one")
        }
        guard link(part, target.path(percentEncoded: false)) == 0 else {
            throw Refusal(errno == EEXIST ? "there is a file of that name already" : "the receiver can't write there")
        }
        unlink(part)
    }
}
