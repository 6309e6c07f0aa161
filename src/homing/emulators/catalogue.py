"""What the shop sells, and to whom."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Product:
    """One article; the price in cents."""

    sku: str
    name: str
    category: str
    price_cents: int

    def as_json(self, quantity: int = 1) -> dict[str, Any]:
        """Show it as Segment's e-commerce events do."""
        return {
            "product_id": self.sku.lower(),
            "sku": self.sku,
            "name": self.name,
            "category": self.category,
            "brand": "Acme",
            "price": self.price_cents / 100,
            "quantity": quantity,
            "currency": "EUR",
            "url": f"https://shop.example/p/{self.sku.lower()}",
            "image_url": f"https://shop.example/i/{self.sku.lower()}.jpg",
        }


PRODUCTS: Final = (
    Product("MUG-01", "Stoneware mug", "kitchen", 1450),
    Product("MUG-02", "Travel mug", "kitchen", 2290),
    Product("POT-01", "Tea pot", "kitchen", 4900),
    Product("TEA-01", "Assam, 250 g", "tea", 1190),
    Product("TEA-02", "Sencha, 100 g", "tea", 1375),
    Product("TEA-03", "Rooibos, 250 g", "tea", 890),
    Product("BOX-01", "Gift box “Winter”", "gifts", 3999),
    Product("TIN-01", "Tin, matt black", "storage", 1625),
    Product("SPN-01", "Measuring spoon", "kitchen", 599),
    Product("BAG-01", "Linen bag", "storage", 2100),
)

FIRST_NAMES: Final = (
    "Ada", "Björn", "Chloé", "Dmitri", "Esra", "Fatima", "Giulia", "Henrik", "Inés", "Jun",
    "Keiko", "Liam", "Mária", "Noor", "Olu", "Priya", "Quentin", "Rosa", "Søren", "Tomás",
)  # fmt: skip
LAST_NAMES: Final = (
    "Almeida", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ito",
    "Jansen", "Kowalska", "Lindqvist", "Moreau", "Novák", "Byrne", "Petrov", "Rossi", "Sato",
)  # fmt: skip
#: City and time zone.
CITIES: Final = (
    ("Lisbon", "Europe/Lisbon"),
    ("Berlin", "Europe/Berlin"),
    ("Oslo", "Europe/Oslo"),
    ("Montréal", "America/Toronto"),
    ("Osaka", "Asia/Tokyo"),
    ("São Paulo", "America/Sao_Paulo"),
)
#: What the addresses of some customers begin with: their mail meets that fate
#: at the SendGrid emulator. Everybody else's is delivered.
FATES: Final = ("click", "open", "bounce", "deferred", "unsubscribe", "machine", "spam", "blocked")
