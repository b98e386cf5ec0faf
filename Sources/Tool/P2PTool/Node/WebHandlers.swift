import P2P

/// Several parts of a port: the first that has an answer gives it.
struct WebHandlers: WebHandler {
    private let handlers: [any WebHandler]

    init(_ handlers: [any WebHandler]) { self.handlers = handlers }

    func reply(to request: WebRequest) async -> WebReply? {
        for handler in self.handlers {
            if let reply = await handler.reply(to: request) { return reply }
        }
        return nil
    }
}
