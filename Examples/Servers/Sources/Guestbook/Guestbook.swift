import Hummingbird
import P2P
import Synchronization

/// An entry, as it goes over the wire.
struct Entry: ResponseCodable {
    /// Who wrote it.
    var author: String
    var text: String
}

/// What a writer sends.
struct NewEntry: Decodable {
    var text: String
}

/// The book, and its routes.
final class Guestbook: Sendable {
    /// Entries that are kept; the oldest make room.
    private static let mostEntries = 1_000
    /// Bytes of a text.
    private static let longestText = 1_000

    private let entries = Mutex<[Entry]>([])

    var router: Router<PeerContext> {
        let router = Router(context: PeerContext.self)
        router.get("/") { _, context in "Welcome, \(context.peer)\n" }
        router.get("/entries") { _, _ in self.entries.withLock { $0 } }
        router.post("/entries") { request, context in
            let new = try await request.decode(as: NewEntry.self, context: context)
            guard (1...Self.longestText).contains(new.text.utf8.count) else {
                throw HTTPError(.badRequest, message: "a text has 1 to \(Self.longestText) bytes")
            }
            self.entries.withLock { entries in
                entries.append(Entry(author: "\(context.peer)", text: new.text))
                entries.removeFirst(max(0, entries.count - Self.mostEntries))
            }
            return HTTPResponse.Status.created
        }
        router.post("/echo") { request, _ in Response(status: .ok, body: ResponseBody(asyncSequence: request.body)) }
        return router
    }
}
