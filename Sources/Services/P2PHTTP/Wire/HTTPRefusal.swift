/// Why a message is not taken, and what a server answers to it.
struct HTTPRefusal: Error, Equatable {
    let status: Int
    let message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    /// 400, which most are.
    init(_ message: String) { self.init(400, message) }
}
